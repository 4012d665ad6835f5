"""The paper: its equations as executable statements, and its figures and tables computed anew."""
