"""Judgement: pure folds from slices to effects. No IO, no clock, no chance, no thread."""
