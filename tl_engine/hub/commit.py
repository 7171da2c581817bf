"""Files into a repository of the hub: made for them, or updated; in one commit, or not at all and said so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_engine.base.errors import HubError
from tl_engine.hub.access import check_reachable, checked_repo, host_name, hub_api, reason_of, status_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEEDED = "set HF_TOKEN to one that may write, or log in with `hf auth login`"
MODEL, SPACE = "model", "space"
REFUSED = (401, 403)
OR_HARDWARE = ", or a --hardware that its account may use"
Files = Mapping[str, Path | bytes]  # name in the repository -> content


class BrokenOffError(HubError):
    """What ended half way; the text says what is left there."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to lie where, as whose token that is."""

    api: "HfApi"
    repo: str
    token: str
    kind: str = MODEL
    done: str = "pushed"  # what happens to it, for people

    @classmethod
    def checked(cls, repo: str, token: str | None, kind: str = MODEL, done: str = "pushed") -> "Delivery":
        """Once the name can be one, the hub is reached, and it knows whose token that is. Raises HubError."""
        return cls.known(checked_repo(repo), token, kind, done)[0]

    @classmethod
    def known(cls, what: str, token: str | None, kind: str = MODEL, done: str = "pushed") -> tuple["Delivery", str]:
        """The same where its name is still to be found, with the name of whose token it is. Raises HubError."""
        if not token:
            raise HubError(f"There is no token for the hub, so nothing was {done}: {NEEDED}.")
        delivery = cls(hub_api(token), what, token, kind, done)
        check_reachable(f"{what} was not {done}")
        return delivery, delivery.user()

    @property
    def nothing(self) -> str:
        """Half a sentence for what was refused before anything was made."""
        return f"nothing was {self.done}"

    def user(self) -> str:
        """Whose token it is. Raises HubError unless the hub knows."""
        try:
            return str(self.api.whoami()["name"])
        except Exception as error:
            if status_of(error) in (400, 401):
                raise HubError(f"{host_name()} does not know this token, so {self.nothing}: {NEEDED}.") from None
            raise self.refused(f"was not {self.done}", error, "try again later") from None

    def refused(self, what: str, error: BaseException, remedy: str) -> HubError:
        """A refusal before anything was made."""
        return HubError(f"{self.repo} {what} ({reason_of(error, self.token)}), {self.nothing}: {remedy}.")

    def make(self, *, private: bool, update: bool, **options: Any) -> bool:
        """Whether this very call made the repository; False where it is there and is to be updated. Raises HubError."""
        try:
            self.api.create_repo(self.repo, repo_type=self.kind, private=private, **options)
        except Exception as error:
            status = status_of(error)
            if status == 409 and update:
                return False
            if status == 409:
                raise HubError(
                    f"{self.repo} is there already, so {self.nothing}: choose another name, or --update to replace "
                    "one of your own."
                ) from None
            if status in REFUSED:
                raise HubError(
                    f"This token may not make {self.repo}, so {self.nothing}: choose a name of your own, a token that "
                    f"may write{OR_HARDWARE if self.kind == SPACE else ''}."
                ) from None
            remedy = "name another --hardware, or look at its billing" if status == 402 else "try again later"
            raise self.refused("could not be made", error, remedy) from None
        return True

    def commit(self, files: Files, message: str, *, made: bool, stale: Callable[[str], bool]) -> str:
        """The commit with all the files; in an update those go that an earlier one left and that are `stale`.

        Raises BrokenOffError once what this call made is gone again, or says that it is not.
        """
        before = None
        try:
            if not made:
                before = self._head()
            # Not upload_folder: where hf_xet is installed it commits in several batches.
            done = self.api.create_commit(
                self.repo, self._operations(files, made=made, stale=stale), commit_message=message, repo_type=self.kind
            )
            return str(done.oid)
        except BaseException as error:
            left = self.withdrawn() if made else self._unchanged(before)
            if not isinstance(error, Exception):  # ended from the keyboard
                raise
            remedy = "use a token that may write there" if status_of(error) in REFUSED else "try again"
            raise BrokenOffError(
                f"{self.repo} was not {self.done} ({reason_of(error, self.token)}); {left}: {remedy}."
            ) from None

    def withdrawn(self) -> str:
        """What is left of a repository that this program made, after deleting it."""
        try:
            self.api.delete_repo(self.repo, repo_type=self.kind)
        except Exception:
            return f"an empty repository {self.repo} is left there, which you can delete on the hub"
        return "nothing is left there"

    def _head(self) -> str | None:
        sha = self.api.repo_info(self.repo, repo_type=self.kind).sha
        return None if sha is None else str(sha)

    def _operations(self, files: Files, *, made: bool, stale: Callable[[str], bool]) -> list[Any]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        there = [] if made else self.api.list_repo_files(self.repo, repo_type=self.kind)
        gone = [name for name in there if name not in files and stale(name)]
        added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
        return [*added, *(CommitOperationDelete(path_in_repo=name) for name in gone)]

    def _unchanged(self, before: str | None) -> str:
        """Whether a repository is as it was."""
        try:
            same = before is None or self._head() == before
        except Exception:
            return "whether it was changed there could not be told"
        return "nothing was changed there" if same else "it was changed there all the same"
