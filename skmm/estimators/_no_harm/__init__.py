"""What the no-harm estimators are made of."""
