// The documentation that a wallet shows, from the metadata.

const KINDS = ['calls', 'events', 'errors', 'storage', 'constants'];

// Whether the documentation of a call says what an argument is: FRAME keeps none for arguments.
const explains = (docs, argument) => docs.includes(`\`${argument}\``);

export function* missingDocs(pallets) {
  for (const pallet of pallets) {
    if (!pallet.docs) yield pallet.name;
    for (const kind of KINDS) {
      for (const { name, docs } of pallet[kind])
        if (!docs) yield `${pallet.name}.${name} (${kind})`;
    }
    for (const { name, docs, fields } of pallet.calls) {
      for (const field of fields) {
        if (!explains(docs, field.name)) yield `${pallet.name}.${name}: argument ${field.name}`;
      }
    }
  }
}

export function printed(pallets) {
  const out = [];
  for (const pallet of pallets) {
    out.push(`# ${pallet.name}`, pallet.docs);
    for (const kind of KINDS) {
      for (const { name, docs, fields } of pallet[kind]) {
        out.push(
          `## ${kind}: ${name}(${(fields ?? []).map((field) => field.name).join(', ')})`,
          docs,
        );
        for (const field of fields ?? [])
          if (field.docs) out.push(`- ${field.name}: ${field.docs}`);
      }
    }
  }
  return out.join('\n');
}
