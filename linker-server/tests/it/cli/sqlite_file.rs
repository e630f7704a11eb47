//! A SQLite database of another program, written byte by byte, so that no SQLite is needed to make it.

const PAGE: usize = 512;
const SQL: &[u8] = b"CREATE TABLE orders(x)";

/// Two pages: a schema with the table `orders`, and that table without rows.
pub(super) fn foreign_database() -> Vec<u8> {
    let mut file = vec![0; 2 * PAGE];
    write_header(&mut file);
    let cell = schema_row();
    let start = PAGE - cell.len();
    file[start..PAGE].copy_from_slice(&cell);
    leaf_page(&mut file[100..PAGE], 1, start);
    let cell_pointer = u16::try_from(start).expect("inside the page").to_be_bytes();
    file[108..110].copy_from_slice(&cell_pointer);
    leaf_page(&mut file[PAGE..], 0, PAGE);
    file
}

/// The 100 bytes that every database begins with.
fn write_header(file: &mut [u8]) {
    file[..16].copy_from_slice(b"SQLite format 3\0");
    file[16..18].copy_from_slice(&512_u16.to_be_bytes());
    // Rollback journal, no reserved space, and the fixed payload fractions.
    file[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
    let four =
        |file: &mut [u8], at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_be_bytes());
    four(file, 24, 1); // change counter
    four(file, 28, 2); // pages
    four(file, 40, 1); // schema cookie
    four(file, 44, 4); // schema format
    four(file, 56, 1); // UTF-8
    four(file, 68, 0x0bad_cafe); // the other program's application id
    four(file, 92, 1); // the change counter again
    four(file, 96, 3_045_000); // written by this version
}

/// A leaf of a table b-tree.
fn leaf_page(page: &mut [u8], cells: u16, content_start: usize) {
    page[0] = 0x0d;
    page[3..5].copy_from_slice(&cells.to_be_bytes());
    page[5..7].copy_from_slice(
        &u16::try_from(content_start)
            .expect("inside the page")
            .to_be_bytes(),
    );
}

/// The row of `sqlite_schema`: type, name, table, root page, SQL.
fn schema_row() -> Vec<u8> {
    let text = |length: usize| u8::try_from(13 + 2 * length).expect("a serial type of one byte");
    let serial_types = [text(5), text(6), text(6), 1, text(SQL.len())];
    let mut record = vec![u8::try_from(1 + serial_types.len()).expect("a short header")];
    record.extend(serial_types);
    record.extend(b"tableordersorders");
    record.push(2);
    record.extend(SQL);
    let mut cell = vec![u8::try_from(record.len()).expect("a payload below 128 bytes"), 1];
    cell.extend(record);
    cell
}
