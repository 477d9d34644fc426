"""Writing an exported ensemble."""

from collections.abc import Callable
from pathlib import Path

from ensembler.deployment.recipe import Recipe
from ensembler.predictions.files import write_text, writing


def write_python(recipe: Recipe, path: Path) -> None:
    """Write a program that needs nothing but NumPy."""
    from ensembler.deployment.export.python_code import python_code

    write_text(path, python_code(recipe))


def write_onnx(recipe: Recipe, path: Path) -> None:
    """Write an ONNX graph."""
    from ensembler.deployment.export.onnx_graph import onnx_model

    data = onnx_model(recipe).SerializeToString(deterministic=True)
    with writing(path) as temporary:
        temporary.write_bytes(data)


def write_estimator(recipe: Recipe, path: Path) -> None:
    """Write a fitted scikit-learn classifier with joblib."""
    import joblib

    with writing(path) as temporary:
        joblib.dump(recipe.to_estimator(), temporary)


FORMATS: dict[str, tuple[str, Callable[[Recipe, Path], None]]] = {
    "python": (".py", write_python),
    "onnx": (".onnx", write_onnx),
    "sklearn": (".joblib", write_estimator),
}
"""The suffix of each format's files, and what writes them."""
