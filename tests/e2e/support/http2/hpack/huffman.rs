//! The code of RFC 7541, appendix B. It is canonical: shorter codes come first, and codes of
//! one length are in the order of their symbols. So the lengths are the whole table.

/// The number of bits of each byte's code, and of the end of the string (EOS).
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const LONGEST: usize = 30;
const EOS: u16 = 256;

/// The symbols in the order of their codes.
fn symbols() -> Vec<u16> {
    let mut symbols: Vec<u16> = (0..=EOS).collect();
    symbols.sort_by_key(|&symbol| (LENGTHS[usize::from(symbol)], symbol));
    symbols
}

/// How many symbols have codes of each length.
fn counts() -> [u32; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    for length in LENGTHS {
        counts[usize::from(length)] += 1;
    }
    counts
}

/// The string with this code. Refuses what section 5.2 refuses: more than 7 bits of padding,
/// padding that is not of ones, and EOS.
pub fn decode(coded: &[u8]) -> Result<Vec<u8>, String> {
    let symbols = symbols();
    let counts = counts();
    let mut text = Vec::new();
    // The first code of the length reached, and the place of its symbol.
    let (mut first, mut place) = (0u32, 0u32);
    let (mut code, mut length) = (0u32, 0);
    for bit in coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1))
    {
        code = code << 1 | u32::from(bit);
        length += 1;
        first <<= 1;
        if code - first < counts[length] {
            match symbols[(place + code - first) as usize] {
                EOS => return Err("a string contains EOS".into()),
                symbol => text.push(symbol as u8),
            }
            (first, place, code, length) = (0, 0, 0, 0);
        } else {
            first += counts[length];
            place += counts[length];
        }
    }
    if length > 7 || code + 1 != 1 << length {
        return Err(format!("{length} bits of padding: {code:b}"));
    }
    Ok(text)
}

/// The code of the string, padded with ones.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for &byte in text {
        let (code, length) = code(byte.into());
        bits.extend((0..length).rev().map(|shift| (code >> shift & 1) as u8));
    }
    bits.resize(bits.len().next_multiple_of(8), 1);
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits.chunks(8).map(byte).collect()
}

/// The code of a symbol, and its number of bits.
fn code(wanted: u16) -> (u32, u8) {
    let (mut code, mut length) = (0u32, 0);
    for symbol in symbols() {
        let longer = LENGTHS[usize::from(symbol)];
        code <<= longer - length;
        length = longer;
        if symbol == wanted {
            return (code, length);
        }
        code += 1;
    }
    panic!("there is no symbol {wanted}");
}
