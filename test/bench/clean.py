"""The lines and mails of test/bench/clean and test/figures/clean, as CSV.

lines WHEEL          language, kind, clean line, the line as it is given
mails TARBALL COUNT  group, text; COUNT of each group
peer TARBALL COUNT   what BeautifulSoup and ftfy make of these mails: bytes, seconds
"""
import ast
import csv
import email
import io
import random
import re
import sys
import tarfile
import time
import zipfile

LANGUAGES = ("de fr es it pt_BR pl cs ru uk el zh_Hans zh_Hant ja ko ar he vi tr hu sv "
             "da fi ro sk hr bg sr fa th hi ca lt lv et is").split()
LINES = 500                     # of each language
SHORTEST = 16                   # characters; a word alone is no line
GROUPS = "easy-ham-1 easy-ham-2 hard-ham-1 spam-1 spam-2".split()


def translations(po):
    for match in re.finditer(r'^msgstr(?:\[\d\])? ((?:".*"\n?)+)', po, re.M):
        text = "".join(ast.literal_eval(part) for part in match.group(1).strip().split("\n"))
        yield from (line.strip() for line in text.split("\n"))


def clean_lines(wheel):
    """The same lines each time: LINES of each language that are not ASCII alone."""
    with zipfile.ZipFile(wheel) as z:
        names = sorted(z.namelist())
        for language in LANGUAGES:
            found = set()
            for name in names:
                if name.endswith(".po") and f"/locale/{language}/" in name:
                    found.update(translations(z.read(name).decode()))
            lines = sorted(line for line in found if len(line) >= SHORTEST and not line.isascii())
            random.Random(language).shuffle(lines)
            yield from ((language, line) for line in lines[:LINES])


def as_cp1252(data):
    """As the web reads it: what CP1252 lacks is the control character."""
    return "".join(bytes([b]).decode("cp1252") if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(b) for b in data)


def as_gbk(data):
    """Or None: a byte is left over, or a pair is no character."""
    text, at = "", 0
    while at < len(data):
        width = 1 if data[at] <= 0x80 else 2
        pair = data[at:at + width]
        if len(pair) < width:
            return None
        try:
            text += "\u20ac" if pair == b"\x80" else pair.decode("gb18030")
        except UnicodeDecodeError:
            return None
        at += width
    return text


MISREAD = {"latin1": lambda data: data.decode("latin-1"), "cp1252": as_cp1252, "gbk": as_gbk}


def lines(wheel, out):
    for language, line in clean_lines(wheel):
        out.writerow((language, "clean", line, line))
        for kind, misread in MISREAD.items():
            once = misread(line.encode())
            twice = once and misread(once.encode())
            for name, given in ((kind, once), (f"{kind} twice", twice)):
                if given is not None:
                    out.writerow((language, name, line, given))


def text_of(raw):
    """A mail's text parts, one after the other, as a program would store them."""
    parts = []
    for part in email.message_from_bytes(raw).walk():
        data = part.get_payload(decode=True) if part.get_content_maintype() == "text" else None
        if data is not None:
            try:
                parts.append(data.decode(part.get_content_charset() or "utf-8"))
            except (LookupError, UnicodeDecodeError):
                parts.append(data.decode("latin-1"))
    return "\n".join(parts).replace("\0", "")


def mails_of(tarball, count):
    left = dict.fromkeys(GROUPS, count)
    with tarfile.open(tarball) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            group = member.name.split("/")[-2]
            if member.name.endswith(".txt") and left.get(group, 0) > 0:
                left[group] -= 1
                yield group, text_of(tar.extractfile(member).read())


def peer(mails):
    """What people do in Python: the text of the HTML, then its mojibake."""
    import bs4
    import ftfy
    texts = [text for _, text in mails]
    start = time.process_time()
    for text in texts:
        ftfy.fix_text(bs4.BeautifulSoup(text, "html.parser").get_text() if "<" in text else text)
    print(sum(len(text.encode()) for text in texts), time.process_time() - start)


def main():
    if sys.argv[1] == "peer":
        return peer(mails_of(sys.argv[2], int(sys.argv[3])))
    out = csv.writer(io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline=""))
    if sys.argv[1] == "lines":
        lines(sys.argv[2], out)
    else:
        out.writerows(mails_of(sys.argv[2], int(sys.argv[3])))
    return None


if __name__ == "__main__":
    main()
