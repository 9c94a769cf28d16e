// Baseline (d): trigger, mapping, schema and serialisation of Segment's published packages, event by event, without
// HTTP. `node segment.cjs EVENTS.ndjson SUBSCRIPTION.json` prints {"events": …, "seconds": …}.
process.env.TZ = 'UTC'
const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')

const packages = createRequire(path.join(process.cwd(), 'package.json'))
const core = (name) => packages(path.join(process.cwd(), 'node_modules/@segment/actions-core/dist/cjs', name))
const { parseFql, validate } = packages('@segment/destination-subscriptions')
const { transform } = core('mapping-kit/index.js')
const { fieldsToJsonSchema } = core('destination-kit/fields-to-jsonschema.js')
const { removeEmptyValues } = core('remove-empty-values.js')
const { validateSchema } = core('schema-validation.js')
const dayjs = packages('dayjs')
dayjs.extend(packages('dayjs/plugin/utc'))

const text = { type: 'string', required: true }
const schema = fieldsToJsonSchema({
  transaction_id: { label: 'transaction_id', ...text },
  customer_id: { label: 'customer_id', ...text },
  timestamp: { label: 'timestamp', type: 'datetime', required: true },
  event_type: { label: 'event_type', ...text },
  properties: { label: 'properties', type: 'object', required: true }
})

function serialised(event, trigger, mapping) {
  if (!validate(trigger, event)) return 0
  const payload = removeEmptyValues(transform(mapping, event), schema, true)
  validateSchema(payload, schema, { schemaKey: 'Metronome (Actions):Send Event', exempt: ['dynamicAuthSettings'] })
  return JSON.stringify([{ ...payload, timestamp: dayjs.utc(payload.timestamp).toISOString() }]).length
}

const events = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
const subscription = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'))
const trigger = parseFql(subscription.trigger)
for (const event of events.slice(0, 2000)) serialised(event, trigger, subscription.mapping)
const began = process.hrtime.bigint()
let bytes = 0
for (const event of events) bytes += serialised(event, trigger, subscription.mapping)
const seconds = Number(process.hrtime.bigint() - began) / 1e9
console.log(JSON.stringify({ events: events.length, seconds, bytes }))
