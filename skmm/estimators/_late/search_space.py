"""What is worth trying of a late fusion: its rule, and its models' own parameters."""

from skmm._params import NestedParams
from skmm.base.search_space import search_space_of, with_present
from skmm.estimators._late.parameters import BELONGS, DEFAULTS


class SearchableMembers(NestedParams):
    """Mixin: the search space of a late fusion."""

    def default_search_space(self):
        """What is worth trying: a dict for ``RandomizedSearchCV`` and the like.

        Returns
        -------
        dict of str to list or frozen distribution
            The rules that read what is set, as `weights`, and of `estimators` those
            that are given, in use, and have a search space themselves.

        See Also
        --------
        skmm.model_selection.ModalitySearchCV : searches it.
        """
        space = {"rule": with_present(self.rule, self._open_rules())}
        parts = self.estimators
        if not isinstance(parts, dict):
            return space | _prefixed("estimators", parts)
        used = None if self.modalities is None else {str(n) for n in self.modalities}
        for name, part in parts.items():
            if used is None or str(name) in used:
                space |= _prefixed(f"estimators__{name}", part)
        return space

    def _open_rules(self):
        """Rules by which no parameter that is set would be without meaning."""
        given = [n for n in DEFAULTS if getattr(self, n) not in (None, DEFAULTS[n])]
        rules = (*self._rules, "stack")
        return [r for r in rules if all(r in BELONGS[name] for name in given)]


def _prefixed(prefix, part):
    if part is None or isinstance(part, type):
        return {}
    space = search_space_of(part)
    return {f"{prefix}__{name}": values for name, values in space.items()}
