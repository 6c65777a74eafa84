"""The life of commands: ordered, admitted, approved, issued, answered for, tried again, undone."""
