"""What an array is: nests of arrays, NumPy's arrays, arrays on a GPU of any library, DLPack."""
