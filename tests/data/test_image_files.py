"""Lists of image files in folders with unusual names and links."""

import numpy as np

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


def test_a_file_in_place_of_a_folder_is_told_what_to_do(tmp_path):
    np.savez(tmp_path / "a.npz", images=making.pixels(2, 16, 16))
    (tmp_path / "a.zip").write_bytes(b"")
    making.refused("is a file", f"--data=npz:{tmp_path}/a.npz", spec=f"folder:{tmp_path}/a.npz")
    making.refused("is a file", "unpack it", spec=f"folder:{tmp_path}/a.zip")
    assert len(making.load(f"npz:{tmp_path}/a.npz").images) == 2
    making.refused("is a folder", f"--data=folder:{tmp_path}", spec=f"npz:{tmp_path}")
