// What Segment's published packages make of each line {"event", "mapping"}: one line each, {"text"} or {"fails"}.
// `node liquid.cjs TRIPLES.ndjson`, from the folder where they are installed.
process.env.TZ = 'UTC'
const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')

const packages = createRequire(path.join(process.cwd(), 'package.json'))
const core = (name) => packages(path.join(process.cwd(), 'node_modules/@segment/actions-core/dist/cjs', name))
const { parseFql, validate } = packages('@segment/destination-subscriptions')
const { transform } = core('mapping-kit/index.js')

function made({ event, subscribe, mapping }) {
  if (!validate(parseFql(subscribe), event)) return { filtered: true }
  try {
    return { payload: transform(mapping, event) }
  } catch (error) {
    return { fails: error.message }
  }
}

const lines = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n')
fs.writeFileSync(process.argv[2] + '.out', lines.map((line) => JSON.stringify(made(JSON.parse(line)))).join('\n'))
