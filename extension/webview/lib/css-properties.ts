/**
 * Sets CSS properties of an element from its template: `<div ${cssProperties({ height: '20px' })}>`. The page's content
 * policy forbids style attributes; this writes through the element's own style object.
 */

import { noChange } from 'lit';
import { directive, Directive, type ElementPart } from 'lit/directive.js';

type Properties = Readonly<Record<string, string>>;

class CssProperties extends Directive {
  override render(_properties: Properties): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [properties]: [Properties]): typeof noChange {
    const { style } = part.element as HTMLElement;
    for (const [name, value] of Object.entries(properties)) {
      if (style.getPropertyValue(name) !== value) style.setProperty(name, value);
    }
    return noChange;
  }
}

export const cssProperties = directive(CssProperties);
