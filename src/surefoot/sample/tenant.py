"""The bundled sample tenant: Pennyfern, a billing product that does not exist, its help centre and the people who ask it."""

from pathlib import Path

from pydantic import TypeAdapter

from surefoot.domain.identity import TenantId, Viewer
from surefoot.evals import people as people_file

TENANT = TenantId("pennyfern")
_FOLDER = Path(__file__).parent


class Person(people_file.Person):
    """Somebody of the sample tenant."""

    def viewer(self, tenant: TenantId = TENANT) -> Viewer:
        """This person as the viewer of a question."""
        return self.viewer_of(tenant)


def documents_folder() -> Path:
    """The folder of the help centre, as `surefoot ingest` takes it."""
    return _FOLDER / "documents"


def people() -> dict[str, Person]:
    """Everybody who may ask, by name, in the order of people.json."""
    found = TypeAdapter(tuple[Person, ...]).validate_json((_FOLDER / "people.json").read_bytes())
    return {person.name: person for person in found}
