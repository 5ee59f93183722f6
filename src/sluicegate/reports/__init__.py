"""The record as people read it: markdown, HTML, cards, bills of materials."""
