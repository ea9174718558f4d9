//! The page of a farm, as a browser shows it: narrow and wide, on light and on dark ground.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use serde_json::{Value, json};

use crate::check;
use crate::support::{Verdict, finish, folder, require, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("report::can_be_read_in_a_browser", || {
            if let Err(error) = require("chromium", "it shows the page as users see it") {
                return Ok(Completion::ignored_with(
                    error.message().unwrap_or_default(),
                ));
            }
            rendered().map(|()| Completion::Completed)
        }),
        trial("report::of_what_is_no_farm", bad_input),
    ]
}

/// A farm of all modes with up to 16 guests; its values are made up, its texts are long.
fn farm(commit: &str) -> Value {
    let modes = [
        "none",
        "unused",
        "balloon",
        "reporting",
        "full",
        "full+extended",
    ];
    let mut points = Vec::new();
    for clock in ["virtual", "wall"] {
        for (number, mode) in modes.iter().enumerate() {
            for guests in [1, 2, 4, 8, 16] {
                for seed in 1..=3 {
                    points.push(point(clock, mode, guests, seed, 1.0 + number as f64));
                }
            }
        }
    }
    let long =
        "a text that is as long as texts of targets are, with everything that has to be known";
    json!({
        "format": xtask::farm::point::FORMAT,
        "machine": { "processor": "a processor", "cpus": 2, "memory": 1_u64 << 34 },
        "versions": { "project": "0.1.0", "qemu": "7.2.22", "rustc": "1.95.0" },
        "commit": commit, "settings": { "files": long, "requests": "1000" },
        "complete": false, "planned": 200, "points": points,
        "sweeps": [{ "mode": "balloon", "guests": 4, "best": "monitor=200:25:25", "tried": [
            { "settings": "monitor=200:25:25", "point": "a", "score": 12.5 },
            { "settings": "monitor=100:25:25", "point": "b", "score": null },
        ] }],
        "targets": [{
            "number": 1, "what": long, "aim": long, "verdict": "met", "note": long,
            "values": [{ "name": "full / none", "value": 0.04, "least": null, "most": 0.05, "points": [] }],
        }],
    })
}

fn point(clock: &str, mode: &str, guests: u64, seed: u64, better: f64) -> Value {
    let rate = 1000.0 * better / guests as f64 + seed as f64;
    let samples = (0..40_u64).map(|at| {
        json!({
            "time_ns": at * 100_000_000,
            "states": { "Sr": 900 - at, "Vr": 5 * at, "Vz": 4 * at, "Uz": 1000 - 8 * at, "Sp": at },
            "frames_free": 50 + at, "balloon_pages": 0, "guests_asleep": 0, "page_writes": at, "page_reads": at,
            "discards": at, "discard_faults": at,
        })
    });
    json!({
        "id": format!("{clock}-{mode}-{guests}-{seed}"), "experiment": "curve", "variant": "", "mode": mode,
        "clock": clock, "seed": seed, "guests": guests, "guest_pages": 4096, "frames": 8192,
        "overcommit_defined": guests as f64 / 2.0, "overcommit_resident": guests as f64 / 3.0, "settings": {},
        "status": "ok", "reason": null, "per_guest": [], "timeline": samples.collect::<Vec<_>>(),
        "measures": measures(guests, rate),
    })
}

fn measures(guests: u64, rate: f64) -> Value {
    json!({
        "requests": 1000, "bytes": 1_000_000, "bytes_verified": 100_000, "mismatches": 0,
        "elapsed_ns": 1_000_000_000, "instructions": 1_000_000, "guest_instructions": 900_000,
        "host_instructions": 100_000, "idle_ns": 5, "requests_per_1e9_instructions": rate * 10.0,
        "requests_per_second": rate, "guest_instructions_per_request": 900.0,
        "host_instructions_per_request": 100.0,
        "latency": { "p50": 1_000_000 * guests, "p99": 20_000_000 * guests, "longest": 1, "histogram": {} },
        "page_writes": 10 * guests, "page_reads": 5, "expanded_out": 0, "expanded_in": 0, "discards": 7,
        "unused_taken": 3, "discard_faults": 2, "reload_reads": 6, "file_reads": 50, "file_writes": 1,
        "swap_reads": 0, "disk_requests": {}, "essa": { "1": 5 }, "exits": {}, "hinting_ns": 10,
        "balloon_ns": 0, "hinting_share": 0.01, "balloon_share": 0.0, "sampling_ns": 1, "wake_ups": 0,
        "balloon_inflated": 0, "balloon_deflated": 0, "balloon_reported": 0, "reclaimed": 9,
        "reclaim_ns": 90, "fairness": 0.99, "wall_seconds": null,
    })
}

/// Looks at the page from inside and leaves what it finds as the title.
const PROBE: &str = "<script>
const bright = color => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = bright(getComputedStyle(document.body).backgroundColor);
document.querySelectorAll('details').forEach(one => one.open = true);
let contrast = 99, charts = 0, smallest = 9999, outside = 0;
for (const one of document.querySelectorAll('h1, h2, p, td, th, li, summary, figcaption, svg text')) {
  const style = getComputedStyle(one), ink = bright(one.namespaceURI.endsWith('svg') ? style.fill : style.color);
  contrast = Math.min(contrast, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05));
}
for (const one of document.querySelectorAll('svg')) {
  const box = one.getBoundingClientRect();
  charts++; smallest = Math.min(smallest, box.width); outside = Math.max(outside, box.right - innerWidth);
}
const scrolls = document.documentElement.scrollWidth - innerWidth;
document.title = JSON.stringify({
  dark: ground < 0.5, contrast: Math.floor(contrast * 10), charts, smallest: Math.floor(smallest),
  outside: Math.ceil(outside), scrolls: Math.ceil(scrolls), errors,
});
</script>";

fn rendered() -> Verdict {
    let folder = folder();
    for (name, commit) in [("one", "0123456"), ("other", "89abcde+")] {
        let run = folder.path().join(name);
        fs::create_dir(&run)?;
        fs::write(run.join("farm.json"), farm(commit).to_string())?;
    }
    let page = folder.path().join("page.html");
    let mut command = xtask(&["report"]);
    command.args([folder.path().join("one"), folder.path().join("other")]);
    let done = finish({
        command.arg("--out").arg(&page);
        command
    })?;
    check!(done.status == Some(0), "{done:#?}");
    let errors = "<script>let errors = 0; onerror = () => errors++;</script>";
    let text = fs::read_to_string(&page)?.replacen("<head>", &format!("<head>{errors}"), 1);
    fs::write(&page, text + PROBE)?;
    for width in [500, 1400] {
        for is_dark in [false, true] {
            look(&page, width, is_dark)?;
        }
    }
    Ok(())
}

/// Texts can be told from the ground, charts are there and inside, and only tables are scrolled.
fn look(page: &Path, width: u32, is_dark: bool) -> Verdict {
    let seen = show(page, width, is_dark)?;
    let number = |name: &str| seen[name].as_i64().unwrap_or(-1000);
    let case = format!("{width} wide, dark: {is_dark}: {seen}");
    check!(seen["dark"] == is_dark, "{case}");
    check!(number("contrast") >= 45, "too faint; {case}");
    check!(number("charts") >= 30, "{case}");
    check!(number("smallest") >= 300, "too small; {case}");
    let is_inside = |name| (-2000..=0).contains(&number(name));
    check!(
        is_inside("outside") && is_inside("scrolls"),
        "too wide; {case}"
    );
    check!(number("errors") == 0, "{case}");
    Ok(())
}

fn show(page: &Path, width: u32, is_dark: bool) -> Result<Value, Failed> {
    let scheme = if is_dark { 0 } else { 1 };
    let mut command = Command::new("timeout");
    command.args([
        "60",
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
    ]);
    command.args(["--enable-logging=stderr", "--dump-dom"]);
    command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    command.arg(format!("--window-size={width},900"));
    let done = finish({
        command.arg(page);
        command
    })?;
    check!(done.status == Some(0), "{}", done.stderr);
    let complaints = done.stderr.lines().find(|line| line.contains("CONSOLE"));
    check!(complaints.is_none(), "{complaints:?}");
    let title = done.stdout.split("<title>").nth(1);
    let title = title.and_then(|rest| rest.split("</title>").next());
    let title = title.ok_or("the page has no title")?;
    serde_json::from_str(title).map_err(|error| format!("{title}: {error}").into())
}

/// One line says what is wrong with a folder.
fn bad_input() -> Verdict {
    let folder = folder();
    let path = folder.path();
    let told = |what: &str| -> Verdict {
        let mut command = xtask(&["report"]);
        command.arg(path);
        let done = finish(command)?;
        check!(done.status == Some(2), "{done:#?}");
        let error = done.only_error()?;
        check!(error.contains(what), "{error}");
        Ok(())
    };
    told("give the folder of a farm")?;
    fs::write(path.join("farm.json"), "{\"format\":77}")?;
    told("format 77")?;
    fs::write(path.join("farm.json"), "{\"format\":")?;
    told("not JSON")
}
