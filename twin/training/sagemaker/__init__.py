"""Training as jobs on SageMaker: what is asked for, followed, paid and brought back."""
