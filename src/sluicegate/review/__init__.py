"""Asking people: the question, who may answer it, the votes, the pages."""
