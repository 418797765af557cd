"""Every component and the pattern pages with sample data, as static files: `python -m andon.web.gallery OUT_DIR`.

It is where a component is looked at while it is made, and what the tests show to a browser. The data is invented; the
shop is the one of the examples.
"""
