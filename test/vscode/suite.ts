/** The suite in a real VS Code. The order is that of a first visit: an example, its views, the wiki's recipe, the editor. */

import './page-fault.ts';
import './into-xen.ts';
import './wiki.ts';
import './launching.ts';
import './language.ts';
