"""Who asks in a suite: people by name, and what the product would know of each of them."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.identity import TenantId, Viewer, parse_context, parse_principals

# The viewer that every suite knows: nobody in particular, who reads what everyone may read.
NOBODY_IN_PARTICULAR = "everyone"


class Person(BaseModel):
    """Somebody who may ask; `shown_as` is how a page names them, `context` what the product signs about them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    user: str
    shown_as: str = ""
    principals: tuple[str, ...] = ()
    plan: str | None = None
    region: str | None = None
    locale: str = "en"
    context: Mapping[str, str] = {}

    def viewer_of(self, tenant: TenantId) -> Viewer:
        """This person as the viewer of a question. Raises InvalidInput for a principal or context that cannot be."""
        return Viewer(
            tenant,
            self.user,
            parse_principals(self.principals),
            plan=self.plan,
            region=self.region,
            locale=self.locale,
            context=parse_context(self.context),
        )


EVERYONE_ALIKE = Person(name=NOBODY_IN_PARTICULAR, user="eval")


def load_people(path: Path) -> dict[str, Person]:
    """Everybody in the file by name, in its order, and `everyone`. Raises InvalidEvalSet for a file that is none."""
    try:
        found = TypeAdapter(tuple[Person, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidEvalSet(f"{path} cannot be read ({error.strerror}); it holds the people who ask, as a JSON list.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidEvalSet(f"{path}: {field}: {first['msg']}.") from error
    people = {NOBODY_IN_PARTICULAR: EVERYONE_ALIKE}
    for person in found:
        if person.name in people:
            raise InvalidEvalSet(f"{path}: the name {person.name!r} is used twice; make it unique.")
        people[person.name] = person
    return people
