"""``make gallery``: what the reimplementation's image operators do, on one page to look at.

    images    photographs of scikit-image's, or generated ones
    pictures  tensors as PNG
    figures   what a section of the page is made of
    page      the page

and a file per section. The code shown beside a figure is the source of the function that computed
it, and the numbers in a caption are measured.
"""
