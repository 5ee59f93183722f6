"""A question to reviewers: the evidence on a page, who may answer, the votes, what follows."""
