import pytest

from skmm.data.names import check_names


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
