//! A plot as SVG within the page: lines in axes, bands behind them, and all of it said in words too.
//!
//! Every plot is drawn twice, for wide windows and for narrow ones, of which the style shows one: a drawing that is
//! scaled down takes its letters with it.

use super::axis::Axis;
use super::escape::escaped;

/// A line, or several pieces of one where something is missing between.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What it stands for.
    pub(super) name: String,
    /// Its colour and dashes, of those that the style has.
    pub(super) look: usize,
    /// Points in the units of the axes.
    pub(super) points: Vec<(f64, f64)>,
    /// Points that rest on so few samples that they are drawn thinly; the line goes on from `points`.
    pub(super) weak: Vec<(f64, f64)>,
    /// Points that answer when one asks them.
    pub(super) marks: Vec<(f64, f64, String)>,
}

/// A part of the x axis that is shaded.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) from: f64,
    pub(super) to: f64,
    /// The class of the style: `warmup` or `stall`.
    pub(super) class: &'static str,
    /// What it answers when one asks it. Without words it is one of many, and drawn below the axis only, where it hides
    /// no line.
    pub(super) words: String,
}

/// All that is in a plot.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) title: String,
    /// A sentence for who does not see it, and below it for who does.
    pub(super) about: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) bands: Vec<Band>,
    pub(super) lines: Vec<Line>,
}

/// Looks that the style has; the ninth line looks as the first.
pub(super) const LOOKS: usize = 8;

/// A drawing's size, with the room that names take beside the axes.
#[derive(Clone, Copy, Debug)]
struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
}

const WIDE: Frame = Frame { class: "wide", width: 640.0, height: 330.0 };
const NARROW: Frame = Frame { class: "narrow", width: 340.0, height: 270.0 };
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 42.0;
/// Room of a letter, about, to tell which names would touch.
const LETTER: f64 = 6.8;
/// Least width of a band, so that a short one is seen.
const BAND_LEAST: f64 = 2.0;
/// Height of a band below the axis, above the names of the ticks.
const STRIP: f64 = 5.0;

impl Plot {
    /// The plot with its title and legend.
    pub(super) fn figure(&self) -> String {
        format!(
            "<figure><h3>{}</h3>{}{}{}<figcaption>{}</figcaption></figure>\n",
            escaped(&self.title),
            self.legend(),
            self.drawing(WIDE),
            self.drawing(NARROW),
            escaped(&self.about),
        )
    }

    fn legend(&self) -> String {
        let line = |line: &Line| {
            let look = line.look % LOOKS;
            format!(
                "<li><svg class=\"key\" viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"l{look}\" \
                 d=\"M1 5H25\"/></svg>{}</li>",
                escaped(&line.name)
            )
        };
        let mut items: String = self.lines.iter().map(line).collect();
        for (class, name) in [("warmup", "warm-up"), ("stall", "generator stalled")] {
            if self.bands.iter().any(|band| band.class == class) {
                items += &format!("<li><span class=\"key {class}\"></span>{name}</li>");
            }
        }
        format!("<ul class=\"legend\">{items}</ul>")
    }

    fn drawing(&self, frame: Frame) -> String {
        format!(
            "<svg class=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}{}{}</svg>",
            frame.class,
            frame.width,
            frame.height,
            escaped(&format!("{}. {}", self.title, self.about)),
            self.bands.iter().map(|band| self.band(frame, band)).collect::<String>(),
            self.axes(frame),
            self.lines.iter().map(|line| self.line(frame, line)).collect::<String>(),
        )
    }

    fn band(&self, frame: Frame, band: &Band) -> String {
        let (from, to) = (frame.x(self.x.place(band.from)), frame.x(self.x.place(band.to)));
        let (class, width, floor) = (band.class, (to - from).max(BAND_LEAST), frame.y(0.0));
        if band.words.is_empty() {
            return format!(
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{STRIP}\"></rect>",
                floor + 1.0
            );
        }
        format!(
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            floor - TOP,
            escaped(&band.words),
        )
    }

    fn axes(&self, frame: Frame) -> String {
        let (floor, left, right) = (frame.y(0.0), frame.x(0.0), frame.x(1.0));
        let mut drawn = String::new();
        for (value, name) in &self.y.ticks {
            let y = frame.y(self.y.place(*value));
            drawn += &format!("<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
            drawn += &format!(
                "<text class=\"tick y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 8.0,
                y + 4.0,
                escaped(name)
            );
        }
        let mut taken = f64::NEG_INFINITY;
        for (value, name) in &self.x.ticks {
            let (x, room) = (frame.x(self.x.place(*value)), name.chars().count() as f64 * LETTER);
            drawn += &format!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{floor:.1}\"/>");
            // A name that would touch the one before is left out; its line stays.
            if taken < x - room / 2.0 {
                let middle = x.min(frame.width - room / 2.0);
                drawn += &format!(
                    "<text class=\"tick x\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
                    floor + 17.0,
                    escaped(name)
                );
                taken = middle + room / 2.0 + LETTER;
            }
        }
        drawn += &format!("<path class=\"axis\" d=\"M{left:.1} {floor:.1}H{right:.1}\"/>");
        drawn
            + &format!(
                "<text class=\"title\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                f64::midpoint(left, right),
                frame.height - 5.0,
                escaped(&self.x.title)
            )
    }

    fn line(&self, frame: Frame, line: &Line) -> String {
        let look = line.look % LOOKS;
        let path = |points: &[(f64, f64)], class: &str| match points {
            [] | [_] => String::new(),
            points => format!("<path class=\"l{look}{class}\" d=\"{}\"/>", self.path(frame, points)),
        };
        let joint = line.points.last().filter(|_| !line.weak.is_empty());
        let weak: Vec<(f64, f64)> = joint.into_iter().chain(&line.weak).copied().collect();
        let mut drawn = path(&line.points, "") + &path(&weak, " weak");
        for (x, y, words) in &line.marks {
            drawn += &format!(
                "<circle class=\"m{look}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>{}</title></circle>",
                frame.x(self.x.place(*x)),
                frame.y(self.y.place(*y)),
                escaped(words),
            );
        }
        drawn
    }

    /// The way through the points; one that is not a number is a gap.
    fn path(&self, frame: Frame, points: &[(f64, f64)]) -> String {
        let (mut path, mut verb) = (String::new(), 'M');
        for (x, y) in points {
            if y.is_finite() {
                path += &format!("{verb}{:.1} {:.1}", frame.x(self.x.place(*x)), frame.y(self.y.place(*y)));
                verb = 'L';
            } else {
                verb = 'M';
            }
        }
        path
    }
}

impl Frame {
    fn x(self, place: f64) -> f64 {
        LEFT + place * (self.width - LEFT - RIGHT)
    }

    fn y(self, place: f64) -> f64 {
        self.height - BOTTOM - place * (self.height - BOTTOM - TOP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let points = vec![(0.0, 0.0), (5.0, 10.0), (6.0, f64::NAN), (10.0, 5.0)];
        Plot {
            title: "A <title>".to_owned(),
            about: "About.".to_owned(),
            x: Axis::even("seconds", [0.0, 10.0].into_iter(), false),
            y: Axis::even("", [0.0, 10.0].into_iter(), false),
            bands: vec![Band { from: 2.0, to: 2.001, class: "stall", words: "1 ms".to_owned() }],
            lines: vec![Line {
                name: "sent & done".to_owned(),
                look: 9,
                marks: vec![(5.0, 10.0, "10 < 11".to_owned())],
                weak: Vec::new(),
                points,
            }],
        }
    }

    #[test]
    fn points_stand_where_the_axes_say() {
        let drawing = plot().drawing(WIDE);
        // The frame is 62 to 624 wide and 10 to 288 high; the gap begins a new piece.
        assert!(drawing.contains("class=\"l1\" d=\"M62.0 288.0L343.0 10.0M624.0 149.0\""), "{drawing}");
        assert!(
            drawing.contains("cx=\"343.0\" cy=\"10.0\" r=\"2.6\"><title>10 &lt; 11</title>"),
            "{drawing}"
        );
        assert!(drawing.contains("<rect class=\"stall\" x=\"174.4\" y=\"10\" width=\"2.0\""), "{drawing}");
        let mut many = plot();
        many.bands[0].words.clear();
        let strip = "<rect class=\"stall\" x=\"174.4\" y=\"289.0\" width=\"2.0\" height=\"5\"></rect>";
        assert!(many.drawing(WIDE).contains(strip), "{}", many.drawing(WIDE));
        assert!(drawing.contains("role=\"img\" aria-label=\"A &lt;title&gt;. About.\""), "{drawing}");
    }

    #[test]
    fn names_do_not_touch() {
        let mut plot = plot();
        plot.x.ticks = (0..=20_u8).map(|n| (f64::from(n) / 2.0, format!("{n}000000"))).collect();
        let names = |frame| plot.axes(frame).matches("class=\"tick x\"").count();
        assert!(names(NARROW) <= 5 && names(NARROW) < names(WIDE) && names(WIDE) <= 10);
    }

    #[test]
    fn the_legend_has_what_the_plot_has() {
        let legend = plot().legend();
        assert!(legend.contains("sent &amp; done</li>") && legend.contains("generator stalled"), "{legend}");
        assert!(!legend.contains("warm-up"), "{legend}");
    }
}
