// A call of the chain, named as in the metadata, with arguments that either library can be given:
// enums as { type, value }, bytes as Uint8Array, arrays of a fixed number of bytes in hexadecimal,
// whole numbers of 64 bits and more as BigInt, accounts as addresses, calls within calls as Call,
// structures of one field as Single.

export class Call {
  constructor(path, args = {}) {
    [this.pallet, this.name] = path.split('.');
    this.args = args;
  }

  get path() {
    return `${this.pallet}.${this.name}`;
  }
}

// A structure of one field, which polkadot-api takes for its only content.
export class Single {
  constructor(name, value) {
    this.name = name;
    this.value = value;
  }
}

export const call = (path, args) => new Call(path, args);
export const variant = (type, value) => ({ type, value });
export const to = (account) => variant('Id', account.address);

// Replaces what the libraries spell differently within a value by what `forms` makes of it.
export function rewrite(value, forms) {
  const inner = (part) => rewrite(part, forms);
  if (value instanceof Call) return forms.call(value);
  if (value instanceof Single) return forms.single(value.name, inner(value.value));
  if (value instanceof Uint8Array) return forms.bytes(value);
  if (Array.isArray(value)) return value.map(inner);
  if (value === null || typeof value !== 'object') return value;
  if ('type' in value) return forms.variant(value.type, inner(value.value));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inner(part)]));
}

// Nonces of this program's own accounts, so that many transactions of one may be under way.
export class Nonces {
  #next = new Map();

  constructor(ask) {
    this.ask = ask;
  }

  async take(address) {
    if (!this.#next.has(address)) this.#next.set(address, this.ask(address));
    const nonce = this.#next.get(address);
    this.#next.set(
      address,
      nonce.then((number) => number + 1),
    );
    return nonce;
  }
}
