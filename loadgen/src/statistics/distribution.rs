//! Student's t distribution, from the incomplete beta function.
//!
//! The continued fraction and its evaluation are those of Lentz, as in Press et al., "Numerical Recipes", 3rd ed., 6.4;
//! the logarithm of the gamma function is the approximation of Lanczos with g = 7. Crates that have this bring matrices
//! and much more with them; these forty lines are checked against printed tables.

/// The coefficients of Lanczos' series for g = 7.
const LANCZOS: [f64; 8] = [
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];
/// Most terms of the continued fraction: it converges within about the square root of its arguments.
const TERMS_MAX: u32 = 10_000;
/// Halvings until a quantile is as exact as a double.
const HALVINGS: u32 = 200;

/// How probable a value up to `t` is, with so many degrees of freedom.
pub fn student_t_cdf(t: f64, freedom: f64) -> f64 {
    let beyond = 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5);
    if t < 0.0 { beyond } else { 1.0 - beyond }
}

/// The value that is not exceeded with this probability, with so many degrees of freedom, which need not be whole.
pub fn student_t_quantile(probability: f64, freedom: f64) -> f64 {
    if probability < 0.5 {
        return -student_t_quantile(1.0 - probability, freedom);
    }
    let mut high = 1.0;
    while student_t_cdf(high, freedom) < probability && high < f64::MAX / 2.0 {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if student_t_cdf(middle, freedom) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The regularised incomplete beta function.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if 1.0 <= x {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(x, a, b) / a
    } else {
        1.0 - front * continued_fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of the incomplete beta function, by Lentz' method.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d);
            c = away_from_zero(1.0 + numerator / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

/// The logarithm of the gamma function, of arguments from 1/2.
fn ln_gamma(x: f64) -> f64 {
    let x = x - 1.0;
    let terms = (1..).zip(LANCZOS).map(|(place, coefficient)| coefficient / (x + f64::from(place)));
    let series = 0.999_999_999_999_809_9 + terms.sum::<f64>();
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + series.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows for 0.975 and 0.995 of the table in NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        let table = [
            (1.0, 12.706, 63.657),
            (2.0, 4.303, 9.925),
            (4.0, 2.776, 4.604),
            (6.0, 2.447, 3.707),
            (9.0, 2.262, 3.250),
            (29.0, 2.045, 2.756),
            (100.0, 1.984, 2.626),
        ];
        for (freedom, at_975, at_995) in table {
            for (probability, expected) in [(0.975, at_975), (0.995, at_995)] {
                let found = student_t_quantile(probability, freedom);
                assert!((found - expected).abs() <= 0.000_51, "t({probability}, {freedom}) = {found}");
                assert!((student_t_quantile(1.0 - probability, freedom) + found).abs() < 1e-9);
            }
        }
    }

    /// With one and two degrees of freedom there are closed forms; with many it is the normal distribution.
    #[test]
    fn the_closed_forms_hold() {
        for t in [-30.0, -1.0, 0.0, 0.3, 2.0, 100.0_f64] {
            let one = 0.5 + t.atan() / std::f64::consts::PI;
            let two = 0.5 + t / (2.0 * (2.0 + t * t).sqrt());
            assert!((student_t_cdf(t, 1.0) - one).abs() < 1e-12, "{t}");
            assert!((student_t_cdf(t, 2.0) - two).abs() < 1e-12, "{t}");
        }
        assert!((student_t_quantile(0.975, 1e9) - 1.959_963_985).abs() < 1e-6);
        assert!(student_t_quantile(0.5, 7.3).abs() < 1e-12);
    }
}
