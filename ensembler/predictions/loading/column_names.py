"""How columns are called that hold ids, labels, predicted classes, members or folds."""

import re

ID_NAMES = re.compile(
    r"(.*[ _.-])?(ids?|row|rows|row_?index|uid|uuid|guid|key|index|idx|name|file|filename|path|image)|.*(Id|ID)"
)
# fmt: off
LABEL_NAMES = frozenset({
    "label", "labels", "true_label", "true_class", "true", "target", "targets", "actual", "actuals", "truth",
    "ground_truth", "groundtruth", "gt", "gold", "y", "y_true", "ytrue", "y_test", "y_val", "y_valid", "class",
    "expected", "reference", "obs", "observed",
})
DECISION_NAMES = frozenset({
    "predicted", "predicted_label", "predicted_class", "prediction_label", "pred_label", "pred_class", "pred",
    "prediction", "predictions", "y_pred", "ypred", "yhat", "y_hat", "decision", "hard_prediction",
})
MEMBER_NAMES = frozenset({
    "worker", "workers", "performer", "annotator", "rater", "coder", "user", "judge", "model", "models", "member",
    "classifier", "system", "method",
})
"""What a column is called that says whose row it is, in a table with a row for each row and member."""
# fmt: on
FOLD_NAMES = frozenset(["fold", "folds", "kfold", "fold_id", "split", "set", "subset", "partition", "resample"])


def simple(name: str) -> str:
    """Return a name in small letters with underscores."""
    return re.sub(r"[ .-]+", "_", name.strip().lower())
