"""What runs in the sandbox: a bare Python (`-P -s -S`) imports this package alone, by the name `inside`.

So it uses the standard library only, and never imports the rest of the toolkit.
"""
