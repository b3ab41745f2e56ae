"""Lists of image files in folders with unusual names and links."""

from tests.data import making


def test_names_and_folders_may_be_unusual(tmp_path):
    for name in ("a b", "ä", "銀河", "line\nbreak", "wrong extension"):
        making.write_image(
            tmp_path / "a set" / "in" / f"{name}.png", making.pixels(16, 16), format="JPEG"
        )
    (tmp_path / "a set" / "in" / "again").symlink_to("..")
    assert len(making.load(f"folder:{tmp_path / 'a set'}", 16).images) == 5
    (tmp_path / "loop").symlink_to("loop")
    making.refused("is not a folder", spec=f"folder:{tmp_path / 'loop'}")
