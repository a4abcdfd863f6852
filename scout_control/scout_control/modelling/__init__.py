"""Generated models: one typed table per case type, form and repeat group of a dataset."""
