#!/usr/bin/env python3
"""Prints trust_reference.inc: what the unit tests of src/trust/stats/ expect.

    python3 test/unit/trust_reference.py > test/unit/trust_reference.inc

Needs mpmath, numpy, scipy and scikit-learn; the tests themselves need none of
them.  Each table says in a comment which formula gave it.  The rows of reviews
are made by integer arithmetic that trust_data.h repeats in C.
"""
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
from scipy import optimize, stats
from scipy import special as scipy_special
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

mp.mp.dps = 40


def table(name, comment, rows):
    rows = [list(row) for row in rows]
    print(f"\n/* {comment} */")
    print(f"static const double {name}[][{len(rows[0])}] = {{")
    for row in rows:
        print("\t{" + ", ".join(number(x) for x in row) + "},")
    print("};")


def number(x):
    if isinstance(x, int):
        return str(x)
    if isinstance(x, Fraction):
        x = mp.mpf(x.numerator) / x.denominator
    return mp.nstr(mp.mpf(x), 17, min_fixed=-3, max_fixed=12)


# ---- special functions ----

def beta_fraction(a, b, x):
    """I_x(a, b) by DLMF 8.17.22 from its end, in 40 digits; for x below the mean."""
    terms = 60 + int(12 * math.sqrt(a + b))
    tail = mp.mpf(1)
    for m in range(terms, 0, -1):
        odd = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        even = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        tail = 1 + odd / (1 + even / tail)
    front = mp.exp(a * mp.log(x) + b * mp.log(1 - x) - mp.log(a) - mp.loggamma(a) - mp.loggamma(b) + mp.loggamma(a + b))
    return front / (1 - (a + b) * x / (a + 1) / tail)


def beta_tails(a, b, x):
    """Lower and upper, from the exact double x; scipy's are checked to agree."""
    a, b, x = mp.mpf(a), mp.mpf(b), mp.mpf(x)
    if x < (a + 1) / (a + b + 2):
        lower = beta_fraction(a, b, x)
        return lower, 1 - lower
    upper = beta_fraction(b, a, 1 - x)
    return 1 - upper, upper


def beta_root(a, b, p, upper):
    """The x whose lower (upper) tail is p: secant on the logarithm, from scipy's."""
    near = mp.mpf(float((stats.beta.isf if upper else stats.beta.ppf)(float(p), a, b)))
    points = [near * (1 - mp.mpf(10) ** -9), near]
    values = [mp.log(beta_tails(a, b, x)[upper] / mp.mpf(p)) for x in points]
    for _ in range(3):
        step = values[1] * (points[1] - points[0]) / (values[1] - values[0])
        points, values = [points[1], points[1] - step], [values[1], mp.log(beta_tails(a, b, points[1] - step)[upper] / mp.mpf(p))]
        if abs(step) < mp.mpf(10) ** -22 * near:
            break
    return points[1]


def hypergeometric_tails(k, total, marked, drawn):
    support = range(max(0, drawn - total + marked), min(drawn, marked) + 1)
    weight = {i: math.comb(marked, i) * math.comb(total - marked, drawn - i) for i in support}
    whole = math.comb(total, drawn)
    return (Fraction(sum(w for i, w in weight.items() if i <= k), whole),
            Fraction(sum(w for i, w in weight.items() if i >= k), whole))


def fisher(a, b, c, d):
    support = range(max(0, a - d), min(a + b, a + c) + 1)
    weight = {i: math.comb(a + b, i) * math.comb(c + d, a + c - i) for i in support}
    limit = weight[a] + weight[a] // 10 ** 7
    p = Fraction(sum(w for w in weight.values() if w <= limit), math.comb(a + b + c + d, a + c))
    assert math.isclose(p, stats.fisher_exact([[a, b], [c, d]])[1], rel_tol=1e-6), (a, b, c, d)
    return p


def clopper(k, n, level):
    risk = (1 - mp.mpf(level)) / 2
    lo = 0 if k == 0 else risk ** (mp.mpf(1) / n) if k == n else beta_root(k, n - k + 1, risk, False)
    hi = 1 if k == n else 1 - risk ** (mp.mpf(1) / n) if k == 0 else beta_root(k + 1, n - k, risk, True)
    return lo, hi


def evidence(k, n, e):
    e = mp.mpf(e)
    total = mp.mpf(0)
    for share in ("0.05", "0.25", "0.5", "0.7"):
        q = e * mp.mpf(share)
        total += (q / e) ** k * ((1 - q) / (1 - e)) ** (n - k) / 4
    return mp.log(total)


def special():
    shapes = [(0.5, 0.5, 0.3), (1, 1, 0.25), (2, 3, 0.6), (0.1, 8, 0.01), (20, 5, 0.9), (31, 170, 0.1),
              (31, 170, 0.2), (500, 500, 0.5), (500, 500, 0.4), (1, 1000, 0.001), (6, 999995, 0.00001),
              (999990, 11, 0.99999), (40000, 960001, 0.0405), (500000, 500001, 0.499), (1000000, 2.5, 0.999997),
              (3, 1000, 0.2)]
    for a, b, x in shapes:
        lower, upper = beta_tails(a, b, x)
        assert math.isclose(lower, scipy_special.betainc(a, b, x), rel_tol=1e-8), (a, b, x)
        assert math.isclose(upper, scipy_special.betaincc(a, b, x), rel_tol=1e-8), (a, b, x)
    table("ref_beta", "a, b, x, I_x(a, b), 1 - I_x(a, b): the continued fraction in 40 digits; scipy agrees",
          [(a, b, x, *beta_tails(a, b, x)) for a, b, x in shapes])
    table("ref_beta_quantile", "a, b, p, x with I_x = p, x with 1 - I_x = p: mpmath findroot on the former",
          [(a, b, p, beta_root(a, b, p, False), beta_root(a, b, p, True))
           for a, b, p in [(2, 3, 0.025), (0.5, 0.5, 0.1), (1, 40, 0.05), (41, 960, 0.025), (5, 5, 1e-12), (300, 20, 0.5),
                           (6, 999995, 0.025), (999990, 11, 0.025), (40000, 960001, 0.05)]])
    table("ref_clopper", "k, n, level, lo, hi: quantiles of beta(k, n - k + 1) and beta(k + 1, n - k)",
          [(k, n, level, *clopper(k, n, level))
           for k, n, level in [(0, 10, 0.95), (10, 10, 0.95), (1, 10, 0.95), (7, 74, 0.95), (83, 100, 0.9), (3, 299, 0.99),
                               (500, 1000, 0.95), (12, 1000000, 0.95), (50000, 1000000, 0.95), (999999, 1000000, 0.95)]])
    binomials = [(0, 10, 0.05), (3, 10, 0.5), (9, 10, 0.5), (7, 74, 0.17), (0, 299, 0.01), (60, 1000, 0.05),
                 (30, 1000, 0.05), (100, 1000000, 0.0001), (51000, 1000000, 0.05), (5, 1000000, 1e-7)]
    table("ref_binomial", "k, n, p, P(X <= k), P(X >= k): the former",
          [(k, n, p, beta_tails(k + 1, n - k, p)[1], 1 if k == 0 else beta_tails(k, n - k + 1, p)[0])
           for k, n, p in binomials])
    table("ref_choose", "n, k, ln of n over k: mpmath log(binomial)",
          [(n, k, mp.log(mp.binomial(n, k))) for n, k in [(1, 1), (5, 2), (52, 5), (1000, 500), (1000000, 1),
                                                          (1000000, 500000), (1000000, 999998), (1000000, 37)]])
    draws = [(0, 100, 6, 59), (2, 50, 10, 12), (5, 20, 15, 8), (8, 20, 15, 8), (3, 1000, 51, 100), (0, 3000, 151, 200),
             (700, 3000, 1500, 1500), (40, 5000, 3000, 60)]
    table("ref_hypergeometric", "k, total, marked, drawn, P(X <= k), P(X >= k): whole numbers",
          [(*d, *hypergeometric_tails(*d)) for d in draws])
    tables = [(3, 1, 1, 3), (10, 2, 3, 15), (0, 5, 5, 0), (7, 7, 7, 7), (1, 9, 11, 3), (60, 1940, 5, 45), (800, 1200, 16, 34),
              (60, 1940, 18, 182), (140, 1860, 70, 930), (0, 2000, 3, 197), (2, 3, 4, 6), (0, 0, 3, 5), (5, 0, 0, 0),
              (300, 1700, 400, 1600), (1, 2, 2000, 4000)]
    table("ref_fisher", "a, b, c, d, p: whole numbers, sum of the tables at most (1 + 10^-7) as likely; scipy agrees",
          [(*t, fisher(*t)) for t in tables])
    table("ref_mcnemar", "b, c, p: scipy binomtest(min(b, c), b + c, 0.5)",
          [(b, c, float(stats.binomtest(min(b, c), b + c, 0.5).pvalue)) for b, c in [(1, 9), (5, 5), (20, 42), (0, 6)]])
    table("ref_chi2", "x, df, P(X >= x): mpmath gammainc(df / 2, x / 2, inf, regularized=True)",
          [(x, df, mp.gammainc(mp.mpf(df) / 2, mp.mpf(x) / 2, mp.inf, regularized=True))
           for x, df in [(0.01, 1), (3.84, 1), (30, 1), (11.07, 5), (2, 5), (200, 100), (80, 100), (1100, 1000),
                         (1000.5, 1000), (500, 3)]])
    table("ref_normal", "z, P(Z >= z): mpmath erfc(z / sqrt(2)) / 2",
          [(z, mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2)
           for z in (-6, -1.5, -0.1, 0, 0.25, 1, 1.959963984540054, 3, 8, 20)])
    table("ref_evidence", "k, n, e, ln E: mpmath, the sum of the four likelihood ratios over 4",
          [(k, n, e, evidence(k, n, e))
           for k, n, e in [(0, 0, 0.05), (0, 79, 0.05), (0, 80, 0.05), (0, 202, 0.02), (0, 405, 0.01), (5, 208, 0.05),
                           (60, 1000, 0.05), (30, 1000, 0.05), (0, 1000000, 0.05), (49000, 1000000, 0.05),
                           (1000000, 1000000, 0.01), (120, 1000000, 0.0002), (300, 1000, 0.4)]])


# ---- reviews ----

def reviews(n, kind):
    """trust_data.h makes the same rows."""
    i = np.arange(n)
    p = 0.02 + 0.97 * (((i * 7919 + 13) % 1009) / 1009.0)
    second = (1 + (i * 31) % 7) / 8.0
    chance = ((i * 104729 + 7) % 1013) / 1013.0
    limit = {0: 0.45 + 0.5 * p, 1: 0.95 - 0.3 * p, 2: 0.1 + 0.85 * p * p}[kind]
    return p, second, chance < limit, 1.0 + (i % 4) * 1.5


PRIORS = {"TEMP": [(.6, .4, .02)], "PLATT": [(.6, .4, .02), (0, 1, -np.inf)],
          "BETA": [(.6, .6, .02), (.6, .4, .02), (0, 1, -np.inf)], "PAIR": [(.3, .4, .02), (.3, .4, .02), (0, 1, -np.inf)]}
METHODS = {"TEMP": 0, "PLATT": 1, "BETA": 2, "PAIR": 4}


def logit(p):
    return np.clip(np.log(p / (1 - p)), -9, 9)


def features(method, p, second):
    one = np.ones_like(p)
    return np.column_stack({"TEMP": [logit(p)], "PLATT": [logit(p), one], "BETA": [np.log(p), -np.log(1 - p), one],
                            "PAIR": [logit(p), logit(second), one]}[method])


def logistic(x, y, weight, prior):
    """Minus the log posterior by scipy, then the root of its gradient in the coefficients not at their bound."""
    mean, sd, least = (np.array(v, dtype=float) for v in zip(*prior))
    precision = np.where(sd > 0, 1 / np.where(sd > 0, sd, 1) ** 2, 0)

    def loss(w):
        z = x @ w
        return np.sum(weight * (np.logaddexp(0, z) - y * z)) + np.sum(precision * (w - mean) ** 2) / 2

    def gradient(w):
        return x.T @ (weight * (1 / (1 + np.exp(-(x @ w))) - y)) + precision * (w - mean)

    bounds = [(b if np.isfinite(b) else None, None) for b in least]
    w = optimize.minimize(loss, np.maximum(mean, least), jac=gradient, bounds=bounds, method="L-BFGS-B",
                          options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000}).x
    free = w > least + 1e-9

    def reduced(v):
        full = np.where(free, 0, least)
        full[free] = v
        return gradient(full)[free]

    w = np.where(free, w, least)
    if free.any():
        w[free] = optimize.root(reduced, w[free], tol=1e-15).x
        assert np.max(np.abs(reduced(w[free]))) < 1e-8
    p = 1 / (1 + np.exp(-(x @ w)))
    hessian = x.T @ (x * (weight * p * (1 - p))[:, None]) + np.diag(precision)
    return w, np.sqrt(np.diag(np.linalg.inv(hessian)))


def kish(weight):
    return weight * weight.sum() / (weight ** 2).sum()


def maps():
    rows = []
    for method, n, kind, weighted in [("TEMP", 20, 0, 0), ("TEMP", 20, 1, 0), ("TEMP", 300, 2, 1), ("PLATT", 50, 0, 0),
                                      ("PLATT", 400, 2, 1), ("PLATT", 400, 1, 0), ("BETA", 200, 0, 0), ("BETA", 900, 2, 1),
                                      ("BETA", 900, 1, 0), ("BETA", 60, 1, 1), ("PAIR", 150, 0, 0), ("PAIR", 600, 2, 1)]:
        p, second, y, weight = reviews(n, kind)
        weight = kish(weight) if weighted else np.ones(n)
        w, _ = logistic(features(method, p, second), y, weight, PRIORS[method])
        rows.append([METHODS[method], n, kind, weighted] + [*map(float, w)] + [0] * (3 - len(w)))
    table("ref_map", "method, n, kind of rows, weighted, params: scipy L-BFGS-B and root, the prior's objective of map.h", rows)
    rows = []
    for n, kind, weighted in [(1, 0, 0), (30, 0, 0), (200, 2, 1), (1000, 2, 0), (200, 1, 1)]:
        p, _, y, weight = reviews(n, kind)
        x = logit(np.round(p, 2))
        fit = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=weight if weighted else None)
        for at in (-5.0, -1.5, -0.3, 0.1, 0.7, 1.3, 2.2, 4.0):
            rows.append([n, kind, weighted, at, float(fit.predict([at])[0])])
    table("ref_isotonic", "n, kind, weighted, x, value: sklearn IsotonicRegression on the logit of p rounded to 0.01", rows)


LABELS = 4


def details(n, kind):
    """trust_data.h makes the same rows: label, what the person said, audit, probabilities, coverage."""
    p, _, right, _ = reviews(n, kind)
    i = np.arange(n)
    share = np.array([.5, .25, .15, .1])
    label = np.where(i % 20 == 0, 3, i % 3)
    human = np.where(right, label, (label + 1 + i % 3) % LABELS)
    top = (1 - p)[:, None] * share / (1 - share[label])[:, None]
    top[i, label] = p
    return label, human, i % 5 != 0, top, 0.4 + 0.6 * ((i * 37) % 101) / 100


def model_bias(human, audit, top):
    counts = np.bincount(human[audit], minlength=LABELS)
    share = (counts + LABELS * top.mean(axis=0)) / (counts.sum() + LABELS)
    return np.log(np.maximum(top, np.exp(-9))).mean(axis=0) - np.maximum(np.log(share), -9)


def remixed(top, label, bias, strength):
    """The label's log-odds in single precision's probabilities, each by exp(-strength * bias)."""
    single = top.astype(np.float32).astype(float) * np.exp(-strength * bias)
    mine = single[np.arange(len(label)), label]
    return np.clip(np.log(mine / (single.sum(axis=1) - mine)), -9, 9)


def fit_model(method, mix, coverage, labels, n, kind, weighted):
    """Strength, biases, a b c of the coverage, slopes, shifts, and what row 0, 7, 11 are told."""
    p, second, y, weight = reviews(n, kind)
    weight = kish(weight) if weighted else np.ones(n)
    label, human, audit, top, cover = details(n, kind)
    bias = model_bias(human, audit, top)

    def base(strength):
        x = np.clip(remixed(top, label, bias, strength) if mix and strength > 0 else logit(p), -9, 9)
        q = 1 / (1 + np.exp(-x))
        f = features(method, q, second)
        w, _ = logistic(f, y, weight, PRIORS[method])
        z = f @ w
        off = sum(((v - m) / s) ** 2 / 2 for v, (m, s, _) in zip(w, PRIORS[method]))
        return z, np.sum(weight * np.logaddexp(0, np.where(y, -z, z))) + off + ((strength - .5) / .25) ** 2 / 2

    strength = 0 if mix == 0 else .5 if mix == 1 else min((s / 10 for s in range(11)), key=lambda s: base(s)[1])
    z = base(strength)[0]
    abc, slope, shift = [0.] * 3, [0.] * LABELS, [0.] * LABELS
    if coverage:
        f = np.column_stack([z, np.log(np.clip(cover, .01, 1)), np.ones(n)])
        abc, _ = logistic(f, y, weight, [(1, .4, .02), (0, .5, 0), (0, 1, -np.inf)])
        z = f @ abc
    for l in range(LABELS if labels else 0):
        of = label == l
        if labels == 2 and of.sum() >= 100:
            line, _ = logistic(np.column_stack([z[of], np.ones(of.sum())]), y[of], weight[of], [(1, .25, .02), (0, .5, -np.inf)])
        else:
            def gradient(b, of=of):
                return np.sum(weight[of] * (1 / (1 + np.exp(-(z[of] + b))) - y[of])) + b / .25
            line = [1., optimize.brentq(gradient, -20, 20, xtol=1e-14)]
        slope[l], shift[l] = line
        z[of] = line[0] * z[of] + line[1]
    return [strength, *(bias if mix else [0.] * LABELS), *abc, *slope, *shift, *(1 / (1 + np.exp(-z[[0, 7, 11]])))]


def models():
    rows = []
    for case in [("PLATT", 1, 0, 0, 60, 0, 0), ("PLATT", 2, 0, 0, 300, 0, 1), ("BETA", 2, 0, 0, 400, 2, 0),
                 ("PLATT", 0, 1, 0, 300, 0, 0), ("PLATT", 0, 1, 0, 300, 1, 1), ("PLATT", 0, 0, 1, 300, 0, 1),
                 ("BETA", 0, 0, 2, 1000, 2, 0), ("PLATT", 2, 1, 2, 1000, 0, 1), ("PLATT", 1, 1, 1, 250, 2, 0)]:
        method, *rest = case
        rows.append([METHODS[method], *rest, *map(float, fit_model(*case))])
    table("ref_model", "method, mix, coverage, labels, n, kind, weighted; strength, bias of 4 labels, 3 of the coverage, "
          "4 slopes, 4 shifts, told of rows 0, 7, 11: scipy, step by step as model.h says", rows)


def ece(p, y, bins):
    order = np.argsort(p, kind="stable")
    return sum(abs(np.sum(p[part] - y[part])) for part in np.array_split(order, bins)) / len(p)


def scores():
    rows = []
    for n, kind in [(50, 0), (200, 2), (1000, 1)]:
        p, _, y, _ = reviews(n, kind)
        coarse = np.round(p, 1)
        a, good = roc_auc_score(y, coarse), int(y.sum())
        bad = n - good
        se = math.sqrt((a * (1 - a) + (good - 1) * (a / (2 - a) - a * a) + (bad - 1) * (2 * a * a / (1 + a) - a * a)) / good / bad)
        w, err = logistic(features("PLATT", p, p), y, np.ones(n), [(0, 0, -np.inf)] * 2)
        rows.append([n, kind, float(brier_score_loss(y, p)), float(log_loss(y, p)), float(a), se,
                     *map(float, w), *map(float, err), float(ece(p, y, 10))])
    table("ref_score", "n, kind, Brier, log-loss and AUROC (p rounded to 0.1) by sklearn, Hanley and McNeil's error, "
          "slope, intercept, their errors, ECE of 10 numpy array_split bins", rows)


# ---- drift and shares ----

def drift():
    days = [[40, 7, 3], [35, 10, 5], [60, 2, 1], [20, 15, 0], [41, 8, 2]]
    statistic, _, df, _ = stats.chi2_contingency(np.array(days), correction=False)
    table("ref_phi", "phi of the days in the test: scipy chi2_contingency over its degrees of freedom", [[float(statistic / df)]])
    p, q = (np.array(c) + .5 for c in ([800, 140, 60, 0], [30, 12, 7, 1]))
    p, q = p / p.sum(), q / q.sum()
    table("ref_psi", "sum of (q - p) ln(q / p), half a row added", [[float(np.sum((q - p) * np.log(q / p)))]])


def share(rows, labelled, both, machine, person, neither, level):
    """Written with one entry a row, as in the paper's own code; half a row of each kind is two rows of half weight."""
    kinds = [(1, 1), (1, 0), (0, 1), (0, 0)]
    counts = np.array([both, machine, person, neither], dtype=float)
    f, y = (np.array(v, dtype=float) for v in zip(*kinds))
    n = counts.sum()

    def mean(v):
        return np.sum((counts + .5) * v) / (n + 2)
    cov = mean(f * y) - mean(f) * mean(y)
    var = mean(f * f) - mean(f) ** 2
    lam = min(max(cov / ((1 + n / rows) * var), 0), 1) if rows else 0
    hit = labelled / rows if rows else 0
    value = np.sum(counts * y) / n + lam * (hit - np.sum(counts * f) / n)
    off = y - lam * f
    variance = (mean(off * off) - mean(off) ** 2) / n + (lam ** 2 * hit * (1 - hit) / rows if rows else 0)
    z = stats.norm.ppf((1 + level) / 2)
    return [float(v) for v in (lam, value, max(value - z * variance ** .5, 0), min(value + z * variance ** .5, 1))]


def shares():
    cases = [(10000, 1200, 24, 6, 3, 167, .95), (10000, 1200, 0, 0, 0, 50, .95), (0, 0, 10, 5, 5, 80, .9),
             (300, 150, 60, 30, 10, 100, .95), (5000, 100, 1, 9, 30, 60, .95), (100, 3, 2, 0, 0, 500, .95)]
    table("ref_share", "rows, labelled, both, machine, person, neither, level, lambda, share, lo, hi: numpy, the formula of share.h",
          [[*c, *share(*c)] for c in cases])


if __name__ == "__main__":
    print("/* Made by trust_reference.py: what the tests of src/trust/stats/ expect. */")
    special()
    maps()
    models()
    scores()
    drift()
    shares()
