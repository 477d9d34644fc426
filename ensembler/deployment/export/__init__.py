"""A fitted ensemble in other forms: a NumPy-only program, an ONNX graph, a scikit-learn estimator."""
