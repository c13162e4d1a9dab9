# An OGC Earth-observation application package: each scene of a list is classified in a container of its own. The
# result of a scene is a folder with its STAC catalog. docs/container.md shows how to run it.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:softwareVersion: 0.1.0
s:license: Apache-2.0
$graph:
  - class: Workflow
    id: land-cover
    label: Land cover of Sentinel-2 scenes
    doc: Ten land-cover classes and their confidence at 10 m for each Sentinel-2 scene of a list, with STAC catalogs.
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      input_reference:
        type: string[]
        label: Scenes
        doc: URLs of Sentinel-2 STAC items, or item ids of the Planetary Computer's collection sentinel-2-l2a.
    outputs:
      land_cover:
        type: Directory[]
        label: One folder per scene
        doc: catalog.json, the STAC item, class map, confidence, probabilities, overview, thumbnail and report.
        outputSource: classify/land_cover
    steps:
      classify:
        run: "#classify"
        scatter: input_reference
        in:
          input_reference: input_reference
        out: [land_cover]

  - class: CommandLineTool
    id: classify
    label: Classify one scene
    # A hint, so that `cwltool --no-container` can run an installed lc-assets.
    hints:
      DockerRequirement:
        dockerPull: lc-assets:0.1.0
    requirements:
      NetworkAccess:
        networkAccess: true
      ResourceRequirement:
        coresMin: 2
        ramMin: 6144
        tmpdirMin: 1024
        outdirMin: 4096
      EnvVarRequirement:
        envDef:
          DAGSTER_HOME: $(runtime.tmpdir)/dagster
          LC_ASSETS_STORE: $(runtime.outdir)/store
    inputs:
      input_reference:
        type: string
        inputBinding:
          position: 1
    # The second command removes the downloaded bands (1.4 GB), which are no result.
    baseCommand: [sh, -c, 'lc-assets classify -- "$1" && lc-assets prune --keep none --yes', classify]
    outputs:
      land_cover:
        type: Directory
        outputBinding:
          glob: store/scenes/*
