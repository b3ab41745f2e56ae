"""Sets that tfds prepares for tests, without TensorFlow and without network."""

import tensorflow_datasets as tfds


def prepare(root, features, name="my_set", config=None, version="1.0.0", **splits):
    """Prepare a set whose splits are lists of records, in this order; return its folder."""

    class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = (tfds.core.BuilderConfig(name=config),) if config else ()

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(records) for split, records in splits.items()}

        def _generate_examples(self, records):
            yield from enumerate(records)

    Prepared.name = name
    builder = Prepared(data_dir=root, file_format="array_record")
    builder.download_and_prepare()
    return root.joinpath(name, *([config] if config else []), version)
