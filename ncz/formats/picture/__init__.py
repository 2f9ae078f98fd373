"""Pictures as content, lossy: files of pictures in and out, and what a member of format 1 holds.

What a learned codec keeps of a picture is a few integers, its latents. They are exact: a member of
format 1 holds them as any member holds content, with every check. Only the last step, from latents
to pixels, is the picture's own affair, and may differ by the last bit of a sample between machines.

``api`` is what users call; ``reading`` and ``writing`` know kinds of files, ``image`` is what is
between; ``params`` and ``pieces`` are what a member says and holds, ``encode`` and ``decode`` go
there and back, by tiles (``grid``), and ``targets`` finds the quality that was asked for in other
terms.
"""
