"""The one renderer: pages from facts, charts as SVG, one file to keep, in English and Korean. No query of its own."""
