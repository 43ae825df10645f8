//! Which languages somebody wants: a locale like `kk-KZ`, or what a browser says in `Accept-Language`.

/// How many are looked at: what a client sends has a bound.
const MAX: usize = 16;

/// Best first, each followed by its plain form: `fr-ch`, `fr`.
pub fn wanted(text: &str) -> Vec<String> {
    let mut ranked: Vec<(u32, &str)> = text.split(',').take(MAX).filter_map(ranked).collect();
    // Stable: what comes first is preferred among equals.
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let plain = |tag: String| match tag.split_once('-') {
        Some((language, _)) => vec![language.to_owned(), tag],
        None => vec![tag],
    };
    let normal = |tag: &str| tag.replace('_', "-").to_ascii_lowercase();
    ranked.into_iter().flat_map(|(_, tag)| plain(normal(tag)).into_iter().rev()).collect()
}

/// A tag and its weight in thousandths; nothing for what is not wanted.
fn ranked(range: &str) -> Option<(u32, &str)> {
    let mut parts = range.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty())?;
    let weight =
        parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
    // Between 0 and 1000: nothing is lost.
    let rank = (weight.clamp(0.0, 1.0) * 1000.0).round() as u32;
    (rank > 0).then_some((rank, tag))
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn the_best_comes_first() {
        assert_eq!(wanted("fr"), ["fr"]);
        assert_eq!(wanted("kk-KZ"), ["kk-kz", "kk"]);
        assert_eq!(wanted("zh_Hans_CN"), ["zh-hans-cn", "zh"]);
        assert_eq!(wanted("en;q=0.5, ko-KR, fr;q=0, ru;q=0.9"), ["ko-kr", "ko", "ru", "en"]);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        assert_eq!(wanted(""), [""; 0]);
        assert_eq!(wanted(",;q=1,en;q=x,  ,ru;q=NaN,fr"), ["fr"]);
        assert_eq!(wanted(&"a,".repeat(1000)).len(), 16);
    }
}
