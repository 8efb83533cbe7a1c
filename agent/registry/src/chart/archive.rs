//! What the archive of a chart says of itself and its values, for who explains and not for who
//! renders: the renderer unpacks archives by itself, and more strictly.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// The most bytes of an archive that are unpacked.
const MOST_BYTES: u64 = 64 << 20;
/// The most bytes of a file that is read.
const MOST_FILE_BYTES: u64 = 1 << 20;
/// The size of a header, and what the size of a file is rounded up to.
const BLOCK: usize = 512;

/// The `Chart.yaml` and `values.yaml` of a chart and of the charts in its `charts`, by their paths
/// below the chart. An archive that ends early, and one that is none, has what could be read.
pub fn values(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    // What was read before an error counts.
    let _ = read(MultiGzDecoder::new(archive).take(MOST_BYTES), &mut files);
    files
}

/// A tar of POSIX or older, see <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>.
fn read(mut tar: impl Read, into: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let mut header = [0; BLOCK];
    loop {
        tar.read_exact(&mut header)?;
        let size = size(&header[124..136]).ok_or(io::ErrorKind::InvalidData)?;
        let is_file = matches!(header[156], b'0' | 0);
        let path = path(&header).filter(|_| is_file && size <= MOST_FILE_BYTES);
        let padded = size.next_multiple_of(BLOCK as u64);
        match path {
            Some(path) => {
                let mut bytes = Vec::new();
                (&mut tar).take(padded).read_to_end(&mut bytes)?;
                if (bytes.len() as u64) < size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                bytes.truncate(usize::try_from(size).unwrap_or_default());
                into.insert(path, bytes);
            }
            None => {
                io::copy(&mut (&mut tar).take(padded), &mut io::sink())?;
            }
        }
    }
}

/// The path below the chart, of a file that is read.
fn path(header: &[u8; BLOCK]) -> Option<String> {
    let name = text(&header[..100])?;
    let prefix = match &header[257..262] {
        b"ustar" => text(&header[345..500])?,
        _ => "",
    };
    let whole = match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    };
    let (_, path) = whole.trim_start_matches("./").split_once('/')?;
    let mut steps = path.split('/');
    let known = matches!(steps.next_back(), Some("Chart.yaml" | "values.yaml"));
    let steps: Vec<&str> = steps.collect();
    let in_charts = steps
        .chunks(2)
        .all(|step| matches!(step, ["charts", name] if !matches!(*name, "" | "." | "..")));
    (known && in_charts).then(|| path.to_owned())
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0);
    std::str::from_utf8(&field[..end.unwrap_or(field.len())]).ok()
}

/// A number in octal digits.
fn size(field: &[u8]) -> Option<u64> {
    let digits = text(field)?.trim();
    u64::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn entry(kind: u8, path: &str, content: &[u8]) -> Vec<u8> {
        let mut header = [0; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        let size = format!("{:011o}", content.len());
        header[124..135].copy_from_slice(size.as_bytes());
        header[156] = kind;
        header[257..262].copy_from_slice(b"ustar");
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn packed(tar: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(tar).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_values_of_a_chart_and_of_the_charts_in_it_are_read_and_nothing_else() {
        let long = vec![b'x'; 1000];
        let mut tar = Vec::new();
        for (kind, path, content) in [
            (b'x', "web/PaxHeaders/values.yaml", &b"11 mtime=1\n"[..]),
            (b'0', "web/Chart.yaml", b"name: web\n"),
            (b'0', "web/values.yaml", &long),
            (b'0', "web/templates/values.yaml", b"no"),
            (b'0', "web/charts/cache/values.yaml", b"a: 1\n"),
            (b'0', "web/charts/cache/charts/deep/Chart.yaml", b"b"),
            (b'0', "web/charts/../values.yaml", b"no"),
            (b'2', "web/charts/other/values.yaml", b""),
            (b'0', "values.yaml", b"no"),
            (0, "web/charts/old/values.yaml", b""),
        ] {
            tar.extend(entry(kind, path, content));
        }
        let cut = tar.len();
        tar.extend([0; 2 * BLOCK]);
        let files = values(&packed(&tar));
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "Chart.yaml",
                "charts/cache/charts/deep/Chart.yaml",
                "charts/cache/values.yaml",
                "charts/old/values.yaml",
                "values.yaml",
            ]
        );
        assert_eq!(files["values.yaml"], long);
        assert_eq!(files["charts/cache/values.yaml"], b"a: 1\n");
        assert_eq!(values(&packed(&tar[..cut])), files);
    }

    #[test]
    fn an_archive_that_is_none_has_no_values() {
        assert!(values(b"no archive").is_empty());
        assert!(values(&packed(b"short")).is_empty());
        let mut broken = entry(b'0', "web/values.yaml", b"a");
        broken[124..136].fill(0xff);
        assert!(values(&packed(&broken)).is_empty());
        let long = entry(b'0', "web/values.yaml", &vec![b'x'; 2 << 20]);
        assert!(values(&packed(&long)).is_empty());
        let cut = &entry(b'0', "web/values.yaml", b"abc")[..BLOCK + 2];
        assert!(values(&packed(cut)).is_empty());
    }
}
