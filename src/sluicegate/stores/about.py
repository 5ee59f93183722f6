"""The section `card` of params.yaml: what only people know of the data and of the model."""

from pydantic import BaseModel, ConfigDict, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AboutModel(_Section):
    """What the NCSC's principle 2.3 wants to be known of a model, beside what the record holds."""

    creator: str | None = None
    owner: str | None = None
    contact: str | None = None
    use: str | None = None
    limitations: str | None = None
    retention: str | None = None
    destruction: str | None = None


class AboutData(AboutModel):
    """The same of the feedback and the reference, with how and from whom they are collected."""

    collection: str | None = None
    sensitivity: str | None = None


class About(_Section):
    """All that people say, and what of it must be said before a model is promoted unasked."""

    data: AboutData = AboutData()
    model: AboutModel = AboutModel()
    required: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _required_fields_exist(self) -> "About":
        known = self._said()
        for field in self.required:
            if field not in known:
                raise ValueError(f"{field} is not a card field; choose from {', '.join(known)}")
        return self

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the required fields that nobody has filled in."""
        sentence = self._said()
        return tuple(field for field in self.required if not (sentence[field] or "").strip())

    def _said(self) -> dict[str, str | None]:
        return {
            f"{kind}.{name}": text
            for kind, about in (("data", self.data), ("model", self.model))
            for name, text in about.model_dump().items()
        }
