"""Charts: text that others write is text."""

from gan_jax.report import charts


def test_a_dollar_in_a_name_is_no_mathematics():
    def draw(axes):
        for name in ("$x_", "price $\\nonsense$", "a"):
            axes.plot([1, 2], label=name)
        axes.set_title("$\\frac$")

    svg = charts.svg(draw).decode()
    assert "$\\frac$" in svg and "price $\\nonsense$" in svg
