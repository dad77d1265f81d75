package dev.sparrow.spark.image;

import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;

/**
 * Image files, in binary columns or in a binary field of structs, as Hugging Face's data sets have
 * it.
 *
 * @param field of the struct that holds the file; {@link #NO_FIELD}: there is no struct
 * @param fields of the struct
 */
record FileColumn(int field, int fields, ImageSize size) implements ImageColumn {
  static final int NO_FIELD = -1;

  @Override
  public Pixels read(SpecializedGetters row, int ordinal) {
    byte[] file = file(row, ordinal);
    return file == null || file.length == 0
        ? null
        : Raster.resized(Raster.of(ImageFile.decode(file)), size);
  }

  private byte[] file(SpecializedGetters row, int ordinal) {
    if (field == NO_FIELD) {
      return row.getBinary(ordinal);
    }
    SpecializedGetters struct = row.getStruct(ordinal, fields);
    return struct.isNullAt(field) ? null : struct.getBinary(field);
  }
}
