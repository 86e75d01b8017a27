"""How estimators of several encoders show themselves in a notebook."""

from skmm._sklearn import VisualBlock


class EncodersDiagram:
    """Mixin: encoders side by side."""

    def _sk_visual_block_(self):
        if not isinstance(self.encoders, dict):
            name = type(self).__name__
            return VisualBlock("single", self, names=name, name_details=str(self))
        names, parts = list(self.encoders), list(self.encoders.values())
        return VisualBlock("parallel", parts, names=names)
