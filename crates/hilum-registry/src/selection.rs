//! Which series of a study a package reads: the rules of `[input.select]` applied to study facts.

use crate::manifest::{ImageChoice, Manifest, Plane, SeriesSelect};
use hilum_types::{Reason, SeriesFacts, StudyFacts, attribute};

impl Manifest {
    /// Indices into `study.series` of the series this package can read, best first.
    ///
    /// A package with several inputs reads all of them from one series, so a series must satisfy every input.
    ///
    /// # Errors
    /// The reason of the series that came closest, when none fits.
    pub fn candidate_series(&self, study: &StudyFacts) -> Result<Vec<usize>, Reason> {
        let mut fitting: Vec<usize> = Vec::new();
        let mut refusals: Vec<(usize, Reason)> = Vec::new();
        for (index, series) in study.series.iter().enumerate() {
            match self.rules().find_map(|select| select.refuses(series)) {
                None => fitting.push(index),
                Some((passed, reason)) => refusals.push((passed, reason)),
            }
        }
        if fitting.is_empty() {
            // Of several refusals the one that passed most rules says best what is missing; the first of equals.
            let best = refusals.into_iter().reduce(|best, next| if best.0 < next.0 { next } else { best });
            return Err(
                best.map_or_else(|| Reason::new("series.none", "the study has no image series"), |(_, reason)| reason)
            );
        }
        // A product that takes objects gets every series that fits, so there is nothing to guess.
        let guess = self.dicom_node().is_some() || self.inputs.iter().all(|input| input.select.largest);
        if 1 < fitting.len() && !guess {
            return Err(Reason::about(
                "series.ambiguous",
                format!("{} series are of the kind the model reads, and the package refuses to guess", fitting.len()),
                "series",
                fitting.len().to_string(),
            ));
        }
        // For a volume most images are best; single images are taken in the order of the series.
        if self.inputs.iter().any(|input| input.images == ImageChoice::Volume) {
            fitting.sort_by_key(|index| std::cmp::Reverse(images(&study.series[*index])));
        }
        Ok(fitting)
    }

    fn rules(&self) -> impl Iterator<Item = &SeriesSelect> {
        self.inputs.iter().map(|input| &input.select).chain(self.dicom_node().map(|node| &node.select))
    }
}

fn images(series: &SeriesFacts) -> u64 {
    series.instances.iter().map(|instance| u64::from(instance.frames())).sum()
}

impl SeriesSelect {
    /// `None` when the series satisfies the rules; else how many rules it passed and why the next one refuses it.
    fn refuses(&self, series: &SeriesFacts) -> Option<(usize, Reason)> {
        let rules: [fn(&SeriesSelect, &SeriesFacts) -> Option<Reason>; 6] = [
            SeriesSelect::refuses_kind,
            SeriesSelect::refuses_body_part,
            SeriesSelect::refuses_image_type,
            SeriesSelect::refuses_description,
            SeriesSelect::refuses_plane,
            SeriesSelect::refuses_count,
        ];
        rules.iter().enumerate().find_map(|(passed, rule)| rule(self, series).map(|reason| (passed, reason)))
    }

    fn refuses_kind(&self, series: &SeriesFacts) -> Option<Reason> {
        let first = series.first();
        if first.number(attribute::ROWS).is_none() {
            return Some(Reason::new("series.no-image", "the series holds no images"));
        }
        let modality = first.text(attribute::MODALITY).unwrap_or_default();
        if !self.modality.is_empty() && !contains(&self.modality, modality) {
            let found = if modality.is_empty() { "not stated" } else { modality };
            return Some(Reason::about(
                "series.modality",
                format!("modality is {found}, the model reads {}", self.modality.join(" or ")),
                attribute::MODALITY,
                modality,
            ));
        }
        let class = first.sop_class_uid.as_str();
        (!self.sop_class.is_empty() && !contains(&self.sop_class, class)).then(|| {
            let text = "the images are of a SOP class the model does not read";
            Reason::about("series.sop-class", text, "SOPClassUID", class)
        })
    }

    fn refuses_body_part(&self, series: &SeriesFacts) -> Option<Reason> {
        let part = series.first().text(attribute::BODY_PART_EXAMINED).unwrap_or_default();
        (!self.body_part.is_empty() && !contains(&self.body_part, part)).then(|| {
            let found = if part.is_empty() { "not stated" } else { part };
            Reason::about(
                "series.body-part",
                format!("body part is {found}, the model reads {}", self.body_part.join(" or ")),
                attribute::BODY_PART_EXAMINED,
                part,
            )
        })
    }

    fn refuses_image_type(&self, series: &SeriesFacts) -> Option<Reason> {
        let found = series.first().values(attribute::IMAGE_TYPE).unwrap_or_default();
        let stated = found.join("\\");
        let refuse = |text: String| Some(Reason::about("series.image-type", text, attribute::IMAGE_TYPE, &stated));
        if self.exclude_localizer && contains(found, "LOCALIZER") {
            return refuse("the images are localizers".to_owned());
        }
        if let Some(missing) = self.image_type.iter().find(|wanted| !contains(found, wanted)) {
            return refuse(format!("image type {stated:?} lacks {missing}"));
        }
        let unwanted = self.image_type_not.iter().find(|unwanted| contains(found, unwanted))?;
        refuse(format!("image type holds {unwanted}, which the model does not read"))
    }

    /// The description is free text and may name a person, so the reason does not repeat it.
    fn refuses_description(&self, series: &SeriesFacts) -> Option<Reason> {
        let found = series.first().text(attribute::SERIES_DESCRIPTION).unwrap_or_default().to_lowercase();
        let refuse = |text: String| Some(Reason::about("series.description", text, attribute::SERIES_DESCRIPTION, ""));
        if let Some(missing) = self.description_contains.iter().find(|word| !found.contains(&word.to_lowercase())) {
            return refuse(format!("the series description lacks {missing:?}"));
        }
        let unwanted = self.description_not.iter().find(|word| found.contains(&word.to_lowercase()))?;
        refuse(format!("the series description holds {unwanted:?}"))
    }

    fn refuses_plane(&self, series: &SeriesFacts) -> Option<Reason> {
        if self.plane == Plane::Any {
            return None;
        }
        let found = series.first().numbers(attribute::IMAGE_ORIENTATION_PATIENT).and_then(|cosines| plane(&cosines));
        (found != Some(self.plane)).then(|| {
            let (wanted, found) =
                (format!("{:?}", self.plane), found.map_or("not stated".into(), |p| format!("{p:?}")));
            let text = format!("slices are {}, the model reads {}", found.to_lowercase(), wanted.to_lowercase());
            Reason::about("series.plane", text, attribute::IMAGE_ORIENTATION_PATIENT, found.to_lowercase())
        })
    }

    fn refuses_count(&self, series: &SeriesFacts) -> Option<Reason> {
        let found = images(series);
        let refuse = |text: String| Some(Reason::about("series.images", text, "images", found.to_string()));
        match (self.images_min, self.images_max) {
            (Some(min), _) if found < u64::from(min) => {
                refuse(format!("the series has {found} images, the model reads at least {min}"))
            }
            (_, Some(max)) if u64::from(max) < found => {
                refuse(format!("the series has {found} images, the model reads at most {max}"))
            }
            _ => None,
        }
    }
}

fn contains(allowed: &[String], found: &str) -> bool {
    allowed.iter().any(|value| value.trim().eq_ignore_ascii_case(found.trim()))
}

/// Plane of six direction cosines (PS3.3 section C.7.6.2.1.1) by the largest component of their normal.
fn plane(cosines: &[f64]) -> Option<Plane> {
    let [rx, ry, rz, cx, cy, cz] = cosines.try_into().ok()?;
    let normal: [f64; 3] = [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx];
    let [x, y, z] = normal.map(f64::abs);
    if x.max(y).max(z) < 0.5 {
        return None;
    }
    Some(if x <= z && y <= z {
        Plane::Axial
    } else if x <= y {
        Plane::Coronal
    } else {
        Plane::Sagittal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::{InstanceHeader, Phi, Uid};

    fn series(number: usize, attributes: &[(&str, &str)], count: usize) -> Vec<InstanceHeader> {
        let uid = |text: String| text.parse::<Uid>().unwrap();
        (1..=count)
            .map(|instance| InstanceHeader {
                sop_instance_uid: uid(format!("1.2.{number}.{instance}")),
                sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2".into()),
                transfer_syntax_uid: uid("1.2.840.10008.1.2.1".into()),
                study_instance_uid: uid("1.2".into()),
                series_instance_uid: uid(format!("1.2.{number}")),
                attributes: [("Rows", "512")]
                    .iter()
                    .chain(attributes)
                    .map(|(k, v)| ((*k).to_owned(), Phi::new(v.split('\\').map(str::to_owned).collect())))
                    .collect(),
            })
            .collect()
    }

    fn choose(select: &str, headers: Vec<Vec<InstanceHeader>>) -> String {
        let mut manifest = Manifest::parse(VOLUME_MODEL).unwrap();
        manifest.inputs[0].select = toml::from_str(select).unwrap();
        let study = StudyFacts::from_headers(1, headers.concat()).unwrap();
        match manifest.candidate_series(&study) {
            Ok(found) => format!("{found:?}"),
            Err(reason) => format!("{}: {reason}", reason.code),
        }
    }

    const VOLUME_MODEL: &str = r#"
        schema = 1
        package = { name = "v", version = "1", title = "V", manufacturer = "M", license = "Apache-2.0", description = "d" }
        [[input]]
        tensor = "volume"
        images = "volume"
        layout = "NCDHW"
        preprocess = []
        [[output]]
        kind = "embedding"
        tensor = "embedding"
    "#;
    const AXIAL: (&str, &str) = ("ImageOrientationPatient", "1\\0\\0\\0\\1\\0");
    const CORONAL: (&str, &str) = ("ImageOrientationPatient", "1\\0\\0\\0\\0\\-1");

    #[test]
    fn the_largest_fitting_series_comes_first() {
        let ct = ("Modality", "CT");
        let three = || vec![series(1, &[ct, AXIAL], 2), series(2, &[ct, AXIAL], 5), series(3, &[ct, CORONAL], 9)];
        insta::assert_snapshot!(choose("modality=['CT']\nplane='axial'", three()), @"[1, 0]");
        insta::assert_snapshot!(choose("modality=['CT']\nplane='axial'\nlargest=false", three()), @"series.ambiguous: 2 series are of the kind the model reads, and the package refuses to guess");
    }

    #[test]
    fn the_reason_of_the_closest_series_is_told() {
        let headers = vec![
            series(1, &[("Modality", "SR")], 1),
            series(2, &[("Modality", "CT"), ("ImageType", "ORIGINAL\\PRIMARY\\LOCALIZER")], 1),
            series(3, &[("Modality", "CT"), AXIAL], 3),
        ];
        insta::assert_snapshot!(choose("modality=['CT']\nimages_min=20", headers), @"series.images: the series has 3 images, the model reads at least 20");
        insta::assert_snapshot!(choose("modality=['CT']", vec![series(1, &[("Modality", "MR")], 1)]), @"series.modality: modality is MR, the model reads CT");
        insta::assert_snapshot!(choose("", vec![series(1, &[("ImageType", "ORIGINAL\\PRIMARY\\LOCALIZER")], 1)]), @"series.image-type: the images are localizers");
        insta::assert_snapshot!(choose("plane='coronal'", vec![series(1, &[AXIAL], 1)]), @"series.plane: slices are axial, the model reads coronal");
    }
}
