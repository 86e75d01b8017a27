import numpy as np
import pytest

from skmm.data.validation import check_names, parts_in_use


@pytest.mark.parametrize("names", [[], ["image"], ["text", "image"], {"text": 1}])
def test_known_names_pass(names):
    assert check_names(names, ["image", "text"], "X") is None


def test_unknown_names_are_listed_with_the_known_and_the_likely_ones():
    with pytest.raises(ValueError) as error:
        check_names(["imge", "text", "zzz"], iter(["image", "text"]), "encoders")
    message = str(error.value)
    assert message.startswith("encoders: unknown modality 'imge', 'zzz'")
    assert "the modalities are 'image', 'text'" in message
    assert "Did you mean 'image' for 'imge'?" in message
    assert "for 'zzz'" not in message


def test_nothing_is_suggested_where_nothing_is_close():
    with pytest.raises(ValueError, match="unknown") as error:
        check_names([0], ["image"], "X")
    assert "mean" not in str(error.value)


class Fitted:
    def __init__(self, modalities, used, known):
        self.modalities, self.modalities_in_ = modalities, used
        self.feature_names_in_ = np.array(known, dtype=object)


def test_parts_of_other_modalities_are_ignored_and_misspelt_ones_are_not():
    parts = {"a": 1, "b": 2}
    assert parts_in_use(parts, Fitted(None, ["a", "b"], ["a", "b"]), "parts") == parts
    assert parts_in_use(parts, Fitted(["a"], ["a"], ["a", "b"]), "parts") == {"a": 1}
    for fitted in (Fitted(None, ["a"], ["a"]), Fitted(["a"], ["a"], ["a", "c"])):
        with pytest.raises(ValueError, match="parts: unknown modality 'b'"):
            parts_in_use(parts, fitted, "parts")


def test_where_a_step_before_selected_other_names_may_be_right():
    assert parts_in_use({"a": 1, "b": 2}, Fitted(["a"], ["a"], ["a"]), "p") == {"a": 1}
