;;; session.el --- One debugging session of Xenscope in Emacs, told line by line -*- lexical-binding: t -*-

;; Run by emacs.test.ts: emacs --batch -l session.el COMMAND... -- SCRIPT LINE
;; dap-mode (Debian: elpa-dap-mode) starts COMMAND, sets a breakpoint at LINE of SCRIPT as its user would, and does
;; what its commands do. Each thing that comes of it is one line on standard output, beginning with "told:".

;;; Code:

(require 'dap-mode)
(require 'dap-ui)

(defvar told-stops nil "Stops so far, as (REASON LINE), the last one first.")
(defvar told-end nil "Whether the session has terminated.")

(defun tell (format &rest args)
  "Print a line for the test: FORMAT filled with ARGS."
  (princ (concat "told: " (apply #'format format args) "\n")))

(defun wait-until (what condition)
  "Wait until CONDITION holds; give up with WHAT after a minute."
  (let ((deadline (+ (float-time) 60)))
    (while (not (funcall condition))
      (when (> (float-time) deadline)
        (tell "gave up waiting for %s" what)
        (kill-emacs 1))
      (accept-process-output nil 0.02))))

(defun evaluate (session expression)
  "What EXPRESSION is worth in the active frame of SESSION."
  (gethash "result"
           (dap-request session "evaluate"
                        :expression expression
                        :context "watch"
                        :frameId (gethash "id" (dap--debug-session-active-frame session)))))

(defun wait-for-stop (number)
  "Wait for the stop with this NUMBER and tell its line."
  (wait-until (format "stop %d" number)
              (lambda () (and (>= (length told-stops) number)
                              (dap--debug-session-active-frame (dap--cur-session)))))
  (tell "stopped: %s at %s line %s" (car told-stops)
        (gethash "name" (dap--debug-session-active-frame (dap--cur-session)))
        (gethash "line" (dap--debug-session-active-frame (dap--cur-session)))))

(defun run-session (command script line)
  "Debug SCRIPT with the adapter started by COMMAND, with a breakpoint at LINE."
  (setq dap-auto-configure-features nil
        dap-breakpoints-file (make-temp-file "xenscope-emacs-"))
  (add-hook 'dap-terminated-hook (lambda (_session) (setq told-end t)))
  (advice-add 'dap--on-event :before
              (lambda (_session event)
                (when (equal (gethash "event" event) "stopped")
                  (push (gethash "reason" (gethash "body" event)) told-stops))))
  (find-file script)
  (find-file script)
  (goto-char (point-min))
  (forward-line (1- line))
  (dap-breakpoint-toggle)
  (dap-start-debugging-noexpand
   (list :type "xenscope" :request "launch" :name "Guest" :stopOnEntry :json-false
         :program script :dap-server-path command))
  (wait-for-stop 1)
  (let ((session (dap--cur-session)))
    (tell "value: %s" (evaluate session "ADDRESS"))
    (setf (dap--debug-session-active-frame session) nil)
    (dap-next session)
    (wait-for-stop 2)
    (dap-continue session (dap--debug-session-thread-id session))
    (wait-until "the end" (lambda () told-end))
    (tell "ended")))

(let* ((given (cl-position "--" command-line-args-left :test #'string=))
       (command (cl-subseq command-line-args-left 0 given))
       (rest (nthcdr (1+ given) command-line-args-left)))
  (setq command-line-args-left nil)
  (run-session command (nth 0 rest) (string-to-number (nth 1 rest))))

;;; session.el ends here
