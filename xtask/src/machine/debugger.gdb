define host
    symbol-file {host}
end
document host
Use the symbols of the host.
end
define guest
    symbol-file {kernel}
end
document guest
Use the symbols of the guests' kernel.
end
define hook-stop
    if $_isvoid($pswm)
        # The machine has ended.
    else
        if ($pswm >> 48) & 1
            guest
        else
            host
        end
    end
end
