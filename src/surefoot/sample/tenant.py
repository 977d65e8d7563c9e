"""The bundled sample tenant: Pennyfern, a billing product that does not exist, its help centre and the people who ask it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from surefoot.domain.identity import TenantId, Viewer, parse_context, parse_principals

TENANT = TenantId("pennyfern")
_FOLDER = Path(__file__).parent


class Person(BaseModel):
    """Somebody who may ask; `shown_as` is how the demo page names them, `context` what the product signs about them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    shown_as: str
    user: str
    principals: tuple[str, ...]
    plan: str
    locale: str
    context: dict[str, str]

    def viewer(self, tenant: TenantId = TENANT) -> Viewer:
        """This person as the viewer of a question."""
        return Viewer(
            tenant,
            self.user,
            parse_principals(self.principals),
            plan=self.plan,
            locale=self.locale,
            context=parse_context(self.context),
        )


def documents_folder() -> Path:
    """The folder of the help centre, as `surefoot ingest` takes it."""
    return _FOLDER / "documents"


def people() -> dict[str, Person]:
    """Everybody who may ask, by name, in the order of people.json."""
    found = TypeAdapter(tuple[Person, ...]).validate_json((_FOLDER / "people.json").read_bytes())
    return {person.name: person for person in found}
